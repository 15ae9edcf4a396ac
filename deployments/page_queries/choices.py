"""What the palette and the search page offer. Plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: an address to go to, or what the page itself shall do."""

    words: str
    url: str = ""
    note: str = ""
    icon: str = "arrow-right"
    keys: str = ""
    does: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Choices of one kind."""

    title: str
    choices: list[Choice]
