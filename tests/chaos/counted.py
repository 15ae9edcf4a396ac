"""Steps that leave marks on their host: when they began and ended, and a copy of all that they printed."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deployments.fleet import step

# Within a folder of the target's root that nobody cleans up; a step runs in the folder of its release.
_AWAY = "../.."


def counted_step(
    name: str, phase: str = "prepare", *, lines: int = 5, pause: float = 0.1, **fields: Any
) -> dict[str, Any]:
    """Prints so many numbered lines, with a pause after each; everything it prints is kept on the host too."""
    marks, copy = f"{_AWAY}/marks", f"{_AWAY}/printed-$DEPLOYER_NUMBER"
    command = (
        f"echo begin $DEPLOYER_NUMBER {name} >>{marks}; "
        f"{{ n=0; while [ $n -lt {lines} ]; do n=$((n + 1)); echo {name} $n; sleep {pause}; done; }} 2>&1 "
        f"| tee -a {copy}; echo end $DEPLOYER_NUMBER {name} >>{marks}"
    )
    return step(name, command, phase, **fields)


COUNTED_STEPS = (
    counted_step("build"),
    counted_step("check", lines=3),
    counted_step("migrate", "once", lines=3),
    counted_step("restart", "restart", lines=4),
    counted_step("warm", "after", lines=3),
)


@dataclass(frozen=True)
class Span:
    """One execution of a step on one host; `whole`: it has come to its end."""

    number: int
    name: str
    whole: bool


def spans(root: Path) -> list[Span]:
    """Every execution on this host, in order. Fails when one began before another had ended, unless that was killed."""
    path = root / "marks"
    found: list[Span] = []
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [(word, int(number), name) for word, number, name in (line.split() for line in lines)]
    for (word, number, name), after in itertools.zip_longest(rows, rows[1:]):
        if word == "begin":
            found.append(Span(number, name, after == ("end", number, name)))
        else:
            assert found, f"{root}: an end without a begin"
            assert (found[-1].number, found[-1].name) == (number, name), f"{root}: steps overlapped: {lines}"
    return found


def printed(root: Path, number: int) -> bytes:
    """The host's own copy of what the steps of this deploy printed."""
    path = root / f"printed-{number}"
    return path.read_bytes() if path.exists() else b""
