"""The kinds of sources, by their word."""

from collections.abc import Callable, Mapping
from typing import Protocol

from deployments.hooks.errors import SourceWrong
from deployments.hooks.kinds import generic, gitea, github, gitlab, jenkins
from deployments.hooks.saying import Payload, Said
from environments.sources.listing import Told

Headers = Mapping[str, str]  # by name, whatever its case
Settings = Mapping[str, str]


class Kind(Protocol):
    """What a module for a kind has.

    `SIGNS_WITH`: the header in which people find the signature; `HEADERS`: those that are kept, which open nothing.
    `check`: what is wrong with the settings, by field. `is_signed`: of the body as it came. `names`: the event, and
    the sender's own id of the delivery. `read` raises Unreadable.
    """

    @property
    def TOLD(self) -> Told: ...

    @property
    def SIGNS_WITH(self) -> str: ...

    @property
    def HEADERS(self) -> tuple[str, ...]: ...

    @property
    def check(self) -> Callable[[Settings], Mapping[str, str]]: ...

    @property
    def is_signed(self) -> Callable[[str, Headers, bytes, Settings], bool]: ...

    @property
    def names(self) -> Callable[[Headers], tuple[str, str]]: ...

    @property
    def read(self) -> Callable[[str, Payload, Settings], Said]: ...


_ALL: tuple[Kind, ...] = (github, gitlab, gitea, jenkins, generic)
KINDS: Mapping[str, Kind] = {kind.TOLD.word: kind for kind in _ALL}


def find(word: str) -> Kind:
    """Raises SourceWrong for a kind that is not there, as after going back to an earlier version."""
    if word not in KINDS:
        raise SourceWrong({"kind": f"{word[:40]!r} is no kind of hook; there are {', '.join(KINDS)}."})
    return KINDS[word]
