"""Waiting for what must come true, however slow the machine is just now."""

import time
from collections.abc import Callable
from typing import Protocol

# A test that passes never waits for it, so it is long: what is late because others are at work is no failure.
PATIENCE = 90.0
# What is waited for long is looked at less often, so that looking does not take the processor from what is waited for.
OFTEN, SELDOM = 0.02, 0.1


def within(condition: Callable[[], object], seconds: float, what: str = "This") -> None:
    """Poll until the condition is true; that it takes longer than `seconds` is a failure, as where that is promised."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"{what} did not come true within {seconds:.0f} s."
        time.sleep(min(SELDOM, max(OFTEN, waited / 20)))


def eventually(condition: Callable[[], object], seconds: float = PATIENCE, what: str = "This") -> None:
    """Poll until the condition is true: for `seconds`, but for `PATIENCE` at least."""
    within(condition, max(seconds, PATIENCE), what)


class Wait(Protocol):
    """`eventually`, as a fixture hands it out."""

    def __call__(self, condition: Callable[[], object], seconds: float = PATIENCE, what: str = "This") -> None: ...
