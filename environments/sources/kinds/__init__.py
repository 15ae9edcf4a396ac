"""The kinds of sources: each a file of this folder, and a line below. To add one is to add both (CONTRIBUTING)."""

from collections.abc import Callable, Mapping
from typing import Protocol

from environments.sources.kinds import ansible, ec2, heartbeat, lines, script, web
from environments.sources.listing import Asked, Listing, NotReadable, Told


class Kind(Protocol):
    """What a module of this folder has. `WAITS`: reading waits for somebody else, and so has to be bounded.

    `check` says what is wrong with the settings, by field, and looks at nothing else; `read` raises NotReadable.
    """

    @property
    def TOLD(self) -> Told: ...

    @property
    def WAITS(self) -> bool: ...

    @property
    def check(self) -> Callable[[Asked], Mapping[str, str]]: ...

    @property
    def read(self) -> Callable[[Asked], Listing]: ...


_ALL: tuple[Kind, ...] = (lines, heartbeat, web, script, ansible, ec2)
KINDS: Mapping[str, Kind] = {kind.TOLD.word: kind for kind in _ALL}


def find(word: str) -> Kind:
    """Raises NotReadable for a kind that is not there, as after going back to an earlier version."""
    if word not in KINDS:
        raise NotReadable(f"This version of the Deployer knows no source of the kind {word}. Its hosts stay.")
    return KINDS[word]
