"""A program of this machine that prints JSON, as an Ansible inventory script does for `--list`.

It is run by whichever process reads the source: a worker on its schedule, a web process for a preview. Because it runs
as the Deployer itself, it must lie in a folder that the machine's own configuration names (SOURCE_SCRIPTS); no shell is
involved, and of our environment it sees PATH, HOME and LANG alone.
"""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from environments.sources import json_reading
from environments.sources.listing import Asked, Field, Listing, NotReadable, Told

WAITS = True
MOST_BYTES = 8 << 20
MOST_ERRORS = 2000
_KEPT = ("PATH", "HOME", "LANG")
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
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise NotReadable(f"{words[0]} cannot be run: {error.strerror}.") from None
    with process:
        try:
            said, errors = _collect(process, words[0], seconds)
            code = process.wait(1)
        except subprocess.TimeoutExpired:
            raise NotReadable(f"{words[0]} has closed its output and does not end.") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if code:
        told = errors.decode(errors="replace").strip().splitlines()
        why = f": {told[-1][:300]}" if told else ""
        raise NotReadable(f"{words[0]} ended with {code}{why}. A list is taken from a program that ends with 0.")
    return said


def _collect(process: "subprocess.Popen[bytes]", name: str, seconds: float) -> tuple[bytes, bytes]:
    give_up = time.monotonic() + seconds
    said, errors = bytearray(), bytearray()
    assert process.stdout
    assert process.stderr
    with selectors.DefaultSelector() as open_ones:
        open_ones.register(process.stdout, selectors.EVENT_READ, said)
        open_ones.register(process.stderr, selectors.EVENT_READ, errors)
        while open_ones.get_map():
            left = give_up - time.monotonic()
            if left <= 0:
                raise NotReadable(f"{name} did not end within {seconds:.0f} s, and was ended.")
            for key, _ in open_ones.select(left):
                block = os.read(key.fd, 1 << 16)
                if not block:
                    open_ones.unregister(key.fileobj)
                key.data.extend(block)
                if len(said) > MOST_BYTES:
                    raise NotReadable(f"{name} prints more than {MOST_BYTES >> 20} MB, which no list of hosts is.")
                del errors[:-MOST_ERRORS]
    return bytes(said), bytes(errors)
