"""Ruby's values, as far as configurations use them. What is not known is kept as text."""

from dataclasses import dataclass, field
from typing import Any

from deployments.capistrano.ruby_tokens import Part


class Symbol(str):
    """`:app`; equal to the text "app"."""

    __slots__ = ()


@dataclass(frozen=True)
class Text:
    """A text with `#{…}` in it."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Call:
    """`receiver.name(args, **named) { block }`; no args of a receiver-less name: maybe a local variable."""

    name: str
    args: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    receiver: Any = None
    block: "Block | None" = None


@dataclass(frozen=True)
class Constant:
    name: str


@dataclass(frozen=True)
class Either:
    """`one || two`."""

    one: Any
    two: Any


@dataclass(frozen=True)
class Sum:
    """`one + two`."""

    one: Any
    two: Any


@dataclass(frozen=True)
class Unknown:
    """What we do not follow, as it is written."""

    source: str


@dataclass(frozen=True)
class Block:
    """A block or lambda: its statements, and the names of what is handed to it."""

    body: tuple[Any, ...]
    names: tuple[str, ...] = ()


def glob_of(value: Any) -> str:
    """The pattern of `Dir.glob("…")` and `Dir["…"]`; empty for anything else."""
    on = value.receiver if isinstance(value, Call) else None
    if isinstance(value, Call) and isinstance(on, Constant) and on.name == "Dir" and value.name in ("glob", "[]"):
        return str(value.args[0]) if value.args and isinstance(value.args[0], str) else ""
    return ""
