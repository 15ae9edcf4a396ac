"""What differs: between two environments of an application, or between two points in time. Secrets are never told."""

from collections.abc import Mapping
from dataclasses import dataclass

from environments.configuration.changing import plain_text
from environments.configuration.merging import Layers, Merged
from environments.models import Host, Target


@dataclass(frozen=True)
class Difference:
    """A name whose value is not the same on both sides; None: it is not set there."""

    name: str
    before: Merged | None
    after: Merged | None

    @property
    def secret(self) -> bool:
        return any(side is not None and side.secret for side in (self.before, self.after))

    @property
    def word(self) -> str:
        return "added" if self.before is None else "removed" if self.after is None else "changed"


def between_targets(one: Target, other: Target) -> list[Difference]:
    """What all hosts of each have in common. Values are compared, wherever they come from."""
    return _differences(Layers.read(one).merged(None), Layers.read(other).merged(None))


def between_times(target: Target, before: int, now: Layers | None = None, host: Host | None = None) -> list[Difference]:
    """From right after the change `before` until now; `now` where that has been read already."""
    later = now or Layers.read(target)
    return _differences(Layers.read(target, upto=before).merged(host), later.merged(host))


def _differences(before: list[Merged], after: list[Merged]) -> list[Difference]:
    old, new = _by_name(before), _by_name(after)
    names = sorted({*old, *new})
    found = (Difference(name, old.get(name), new.get(name)) for name in names)
    return [it for it in found if not _same(it.before, it.after)]


def _by_name(found: list[Merged]) -> Mapping[str, Merged]:
    return {it.name: it for it in found}


def _same(one: Merged | None, other: Merged | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.row.kind == other.row.kind and plain_text(one.row) == plain_text(other.row)
