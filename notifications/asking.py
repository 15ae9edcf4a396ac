"""What a kind of thing that is set up asks people for, in words: forms and the API show the same."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """What a kind asks for. `shape`: line, area, secret or command."""

    name: str
    label: str
    hint: str = ""
    shape: str = "line"
    required: bool = True
    placeholder: str = ""


@dataclass(frozen=True)
class Told:
    """What people read of a kind."""

    word: str
    title: str
    text: str
    fields: tuple[Field, ...] = field(default=())
