"""Waiting for what must come true, however slow the machine is just now."""

import time
from collections.abc import Callable
from typing import Protocol

# A test that passes never waits for it, so it is long: what is late because others are at work is no failure.
PATIENCE = 90.0


def within(condition: Callable[[], object], seconds: float, what: str = "This") -> None:
    """Poll until the condition is true; that it takes longer than `seconds` is a failure, as where that is promised."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:.0f} s."
        time.sleep(0.02)


def eventually(condition: Callable[[], object], seconds: float = PATIENCE, what: str = "This") -> None:
    """Poll until the condition is true: for `seconds`, but for `PATIENCE` at least."""
    within(condition, max(seconds, PATIENCE), what)


class Wait(Protocol):
    """`eventually`, as a fixture hands it out."""

    def __call__(self, condition: Callable[[], object], seconds: float = PATIENCE, what: str = "This") -> None: ...
