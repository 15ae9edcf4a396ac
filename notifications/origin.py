"""Where what happens now comes from: the door by which somebody asked, and the address that they have."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """`door`: page, API, command, or "" from within; `address` of the network, or ""."""

    door: str = ""
    address: str = ""


WITHIN = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=WITHIN)


def current() -> Origin:
    """The origin of what this thread or task does now."""
    return _origin.get()


@contextmanager
def coming_from(door: str, address: str = "") -> Iterator[None]:
    """Whatever is recorded within this came by `door`."""
    token = _origin.set(Origin(door, address[:45]))
    try:
        yield
    finally:
        _origin.reset(token)
