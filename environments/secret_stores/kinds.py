"""The kinds of stores, by their word."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from environments.secret_stores import commands, vaults
from environments.secret_stores.errors import NotFetched
from environments.secret_stores.references import Found, Reference
from environments.secret_stores.telling import Asked, Tested
from environments.sources.listing import Told


class Kind(Protocol):
    """What a module for a kind has. `check` says what is wrong with the settings, by field, and asks nobody."""

    @property
    def TOLD(self) -> Told: ...

    @property
    def check(self) -> Callable[[Asked], Mapping[str, str]]: ...

    @property
    def check_reference(self) -> Callable[[Asked, Reference], str]: ...

    @property
    def fetch(self) -> Callable[[Asked, Sequence[Reference], Callable[[], bool]], dict[Reference, Found]]: ...

    @property
    def try_out(self) -> Callable[[Asked, Reference | None], Tested]: ...


_ALL: tuple[Kind, ...] = (vaults, commands)
KINDS: Mapping[str, Kind] = {kind.TOLD.word: kind for kind in _ALL}


def find(word: str) -> Kind:
    """Raises NotFetched for a kind that is not there, as after going back to an earlier version."""
    if word not in KINDS:
        raise NotFetched(f"This version of the Deployer knows no secret store of the kind {word}.")
    return KINDS[word]
