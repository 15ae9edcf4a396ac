"""A program of this machine that prints JSON, as an Ansible inventory script does for `--list`.

It is run by whichever process reads the source: a worker on its schedule, a web process for a preview. Because it runs
as the Deployer itself, it must lie in a folder that the machine's own configuration names (SOURCE_SCRIPTS); no shell is
involved, and of our environment it sees PATH, HOME and LANG alone.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from environments import bounded_program
from environments.sources import json_reading
from environments.sources.listing import Asked, Field, Listing, NotReadable, Told

WAITS = True
MOST_BYTES = 8 << 20
TOLD = Told(
    "script",
    "Script",
    "A program on the Deployer's machine that prints JSON: a plain list, or what Ansible's inventory scripts print.",
    (
        Field(
            "command",
            "Program and arguments",
            "Its path in full, in a folder of `SOURCE_SCRIPTS`. No shell reads it: quotes keep words together, and "
            "nothing else means anything.",
            placeholder="/srv/inventories/production.py --list",
        ),
        Field("group", "Only hosts of this group", "With all groups below it; empty: all hosts.", required=False),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    try:
        words = shlex.split(asked.settings.get("command", ""))
    except ValueError:
        return {"command": "A quotation is not closed."}
    if not words:
        return {"command": "Name a program, with its whole path."}
    if not settings.SOURCE_SCRIPTS:
        return {"command": "No program may be run yet: set SOURCE_SCRIPTS to the folder where yours lie, and restart."}
    if problem := _refused(words[0]):
        return {"command": problem}
    return {}


def _refused(program: str) -> str:
    """Why it may not be run; looked at after links, so that none leads out of the folder."""
    path = Path(program)
    if not path.is_absolute():
        return f"{program[:200]} is no whole path."
    real = path.resolve()
    folders = [folder.resolve() for folder in settings.SOURCE_SCRIPTS]
    if not any(real.is_relative_to(folder) for folder in folders):
        told = ", ".join(str(folder) for folder in settings.SOURCE_SCRIPTS)
        return f"{program[:200]} does not lie in {told}, from where programs are run (SOURCE_SCRIPTS)."
    return ""


def read(asked: Asked) -> Listing:
    words = shlex.split(asked.settings["command"])
    return json_reading.read(_run(words, asked.seconds), group=asked.settings.get("group", ""), what=words[0])


def _run(words: list[str], seconds: float) -> bytes:
    """What it prints. Whatever it has started ends with it."""
    try:
        ended = bounded_program.run(words, seconds=seconds, most_bytes=MOST_BYTES)
    except bounded_program.ProgramTrouble as trouble:
        raise NotReadable(str(trouble)) from None
    if ended.code:
        told = ended.errors.decode(errors="replace").strip().splitlines()
        why = f": {told[-1][:300]}" if told else ""
        raise NotReadable(f"{words[0]} ended with {ended.code}{why}. A list is taken from a program that ends with 0.")
    return ended.output
