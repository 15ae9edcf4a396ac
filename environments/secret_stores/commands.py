"""A program that prints secrets, as `pass`, `op` and the clients of clouds do; run by the worker that needs them.

With `{}` among its words it is run once for each path, which takes that place, and prints what lies there. Without, it
is run once and prints one JSON object of all that it knows. No shell is involved. What it says on its standard error is
shown nowhere, for nobody knows whether it holds the secret.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from environments import bounded_program
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference
from environments.secret_stores.telling import Asked, Tested, checked, picked, plain_text
from environments.sources.listing import Field, Told

MOST_BYTES = 1 << 20
MOST_SECONDS = 60
PLACE = "{}"
TOLD = Told(
    "command",
    "Command",
    "A program on the workers that prints secrets, as `pass`, `op` or the client of a cloud.",
    (
        Field(
            "command",
            "Program and arguments",
            "Its path in full. No shell reads it: quotes keep words together, and nothing else means anything. `{}` "
            "is replaced by the path of what is wanted; without it the program prints one JSON object of everything.",
            placeholder="/usr/bin/pass show {}",
        ),
        Field("seconds", "Ends within, in seconds", "Up to 60. Empty: 20.", required=False, placeholder="20"),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    problems: dict[str, str] = {}
    try:
        words = shlex.split(asked.settings.get("command", ""))
    except ValueError:
        return {"command": "A quotation is not closed."}
    if not words:
        problems["command"] = "Name a program, with its whole path."
    elif not Path(words[0]).is_absolute() or PLACE in words[0]:
        problems["command"] = f"{words[0][:200]} is no whole path of a program."
    seconds = asked.settings.get("seconds", "")
    if seconds and not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds[:4]) <= MOST_SECONDS):
        problems["seconds"] = f"The limit is a whole number from 1 to {MOST_SECONDS}."
    return problems


def check_reference(asked: Asked, reference: Reference) -> str:
    """ "" where it can be asked for."""
    takes_path = PLACE in asked.settings["command"]
    if takes_path and not reference.path:
        return "Say the path of what is wanted; the command takes it in place of {}."
    if takes_path and reference.path.startswith("-"):
        return "A path that begins with - would be an option of the command."
    if not takes_path and reference.path:
        return "The command has no place {} for a path; say the key alone."
    if not takes_path and not reference.key:
        return "The command prints one JSON object; say which key is meant."
    return ""


def fetch(
    asked: Asked, wanted: Sequence[Reference], interrupted: Callable[[], bool] = lambda: False
) -> dict[Reference, Found]:
    """Raises NotFetched."""
    found: dict[Reference, Found] = {}
    printed: dict[str, str] = {}
    for reference in wanted:
        if problem := check_reference(asked, reference):
            raise NotFetched(problem, reference)
        if reference.path not in printed:
            printed[reference.path] = _printed(asked, reference, interrupted)
        said = printed[reference.path]
        value = picked(_object(said, reference), reference) if reference.key else checked(said, reference)
        found[reference] = Found(value)
    return found


def try_out(asked: Asked, reference: Reference | None) -> Tested:
    """Whether it runs here, and says what is asked for. Raises NotFetched."""
    program = shlex.split(asked.settings["command"])[0]
    if reference is None:
        if not Path(program).is_file():
            raise NotFetched(f"There is no program {program} on this machine; each worker needs it.")
        return Tested(f"{program} is there. Name something that it knows, to see whether it answers.")
    fetch(asked, [reference])
    return Tested(f"{program} answers, and what is asked for is there. Its value is not shown.")


def _printed(asked: Asked, reference: Reference, interrupted: Callable[[], bool]) -> str:
    """Without the newline at its end."""
    words = [word.replace(PLACE, reference.path) for word in shlex.split(asked.settings["command"])]
    seconds = float(asked.settings.get("seconds") or 20)
    try:
        ended = bounded_program.run(words, seconds=seconds, most_bytes=MOST_BYTES, interrupted=interrupted)
    except bounded_program.ProgramTrouble as trouble:
        raise NotFetched(f"{trouble} Run it by hand on the worker, as the user who runs the Deployer.") from None
    if ended.code:
        raise NotFetched(
            f"{words[0]} ended with {ended.code}, so what it printed counts for nothing. What it says is not shown, "
            "for it may hold the secret: run it by hand on the worker, as the user who runs the Deployer.",
            reference,
        )
    return plain_text(ended.output, words[0], reference).removesuffix("\n").removesuffix("\r")


def _object(said: str, reference: Reference) -> Mapping[str, Any]:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotFetched("The command did not print a JSON object, which a key can be taken from.", reference)
    return found
