"""What every kind of store is given, and how it reads what it was told. Pure; nothing here tells a value again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.configuration.changing import check_value
from environments.configuration.errors import ValueRefused
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Reference


@dataclass(frozen=True)
class Asked:
    """A store as a kind sees it: its settings, and its opened credential."""

    settings: Mapping[str, str]
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Tested:
    """What a test found, in a sentence; `keys` are the names of what lies at the path that was asked for."""

    words: str
    keys: tuple[str, ...] = ()
    version: int = 0


def picked(found: Mapping[str, Any], reference: Reference) -> str:
    """The text under the key; numbers and truths as JSON writes them. Raises NotFetched."""
    if reference.key not in found:
        known = ", ".join(sorted(map(str, found))[:10]) or "nothing"
        raise NotFetched(f"Nothing is called {reference.key!r} there; there is {known}.", reference)
    value = found[reference.key]
    if isinstance(value, bool | int | float):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise NotFetched(f"{reference.key!r} is no text there, so it cannot be a value.", reference)
    return checked(value, reference)


def plain_text(data: bytes, who: str, reference: Reference) -> str:
    """Raises NotFetched."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotFetched(f"{who} printed what is no UTF-8 text. Have it print base64.", reference) from None


def checked(value: str, reference: Reference) -> str:
    """The value, if files can hold it. Raises NotFetched."""
    try:
        check_value("what lies there", value)
    except ValueRefused:
        raise NotFetched(
            "What lies there is longer than 32 KB, or has control characters besides tab and newline, so no file can "
            "hold it. Store it as base64.",
            reference,
        ) from None
    return value
