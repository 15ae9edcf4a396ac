"""What every host of a target really runs: what it said when it was last asked, not what history says."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from django.db.models import FilteredRelation, Q

from deployments.blockers import members
from deployments.models import Deploy, Drift
from deployments.page_queries.words import Mark
from environments.models import Target

NAMED = 40  # up to so many hosts each has a line; of more, those that differ
SHOWN_DIFFERING = 20
COLUMNS, STEP, SIDE = 28, 10, 8  # of the squares of many hosts, in pixels

_LIVE = Mark("h-live", "ok", "live")
_NOTHING = Mark("h-waiting", "idle", "nothing yet")
# A square per host, drawn in one stroke for all that are alike; what differs has another form, not only another colour.
_FORMS = {
    "h-live": "h8v8h-8z",
    "h-drift": "m4 0l4 4l-4 4l-4-4z",
    "h-waiting": "h8v8h-8zm1.5 1.5v5h5v-5z",
    "h-skipped": "m0 3h8v2h-8z",
}


@dataclass(slots=True)
class HostNow:
    """A host and what it runs for this target."""

    name: str
    region: str
    zone: str
    mark: Mark
    revision: str
    seen: str
    seen_at: datetime | None
    since: datetime | None


@dataclass(slots=True)
class RegionNow:
    """The hosts of one region; of very many a picture, and only those by name that differ."""

    name: str
    hosts: list[HostNow]
    number: int
    sentence: str
    drawn: list[tuple[Mark, str]]
    height: int
    more: int


class _Placed(NamedTuple):
    """What is known of a target on a host."""

    revision: str | None
    since: datetime | None
    seen: str
    seen_at: datetime | None
    drift: str


def read_hosts(target: Target, live: Deploy | None) -> list[HostNow]:
    """By region, zone and name. One query of plain values: a thousand instances would cost more than it."""
    here = FilteredRelation(
        "host__placements", condition=Q(host__placements__target=target, host__placements__colour="")
    )
    columns = ("host__name", "host__aside", "host__aside_why", "host__zone__name", "host__zone__region__name")
    facts = ("here__pk", "here__current__revision", "here__switched_at", "here__seen", "here__seen_at", "here__drift")
    found = []
    for name, aside, why, zone, region, placed, *told in (
        members(target, aside=True).annotate(here=here).values_list(*columns, *facts)
    ):
        place = None if placed is None else _Placed(*told)
        mark = Mark("h-skipped", "idle", f"{aside}: {why}") if aside else _mark_of(place, live)
        found.append(
            HostNow(
                name=name,
                region=region or "",
                zone=zone or "",
                mark=mark,
                revision=(place.revision or "") if place else "",
                seen=_tell_seen(place),
                seen_at=place.seen_at if place else None,
                since=place.since if place else None,
            )
        )
    return sorted(found, key=lambda host: (host.region, host.zone, host.name))


def build_regions(hosts: Sequence[HostNow]) -> list[RegionNow]:
    """The hosts, which are in order, region by region."""
    return [
        _build_region(name, list(group), len(hosts)) for name, group in groupby(hosts, key=lambda host: host.region)
    ]


def tell_live(hosts: Sequence[HostNow]) -> str:
    """`on 5 of 6 hosts` or `on all 6 hosts`."""
    live = sum(host.mark.shape == "h-live" for host in hosts)
    if live == len(hosts):
        return "on its only host" if live == 1 else f"on all {live} hosts"
    return f"on {live} of {len(hosts)} hosts"


def _build_region(name: str, hosts: list[HostNow], all_hosts: int) -> RegionNow:
    if all_hosts <= NAMED:
        return RegionNow(name, hosts, len(hosts), "", [], 0, 0)
    differing = [host for host in hosts if host.mark.shape != "h-live"]
    height = -(-len(hosts) // COLUMNS) * STEP
    shown = differing[:SHOWN_DIFFERING]
    return RegionNow(
        name, shown, len(hosts), _tell_region(hosts), list(_draw(hosts)), height, len(differing) - len(shown)
    )


def _tell_region(hosts: Sequence[HostNow]) -> str:
    """`334 live`; `330 live, 4 differ`."""
    words = {"h-live": "live", "h-drift": "differ", "h-waiting": "run nothing yet", "h-skipped": "set aside"}
    counts = Counter(host.mark.shape for host in hosts)
    return ", ".join(f"{counts[shape]} {said}" for shape, said in words.items() if counts[shape])


def _draw(hosts: Sequence[HostNow]) -> Iterable[tuple[Mark, str]]:
    """For each mark the path of all its squares."""
    paths: dict[str, list[str]] = {}
    marks: dict[str, Mark] = {}
    for n, host in enumerate(hosts):
        at = f"M{n % COLUMNS * STEP} {n // COLUMNS * STEP}"
        paths.setdefault(host.mark.shape, []).append(at + _FORMS[host.mark.shape])
        marks.setdefault(host.mark.shape, host.mark)
    return [(marks[shape], "".join(path)) for shape, path in paths.items()]


def _mark_of(place: _Placed | None, live: Deploy | None) -> Mark:
    if place is not None and place.drift:
        return Mark("h-drift", "warn", Drift(place.drift).label)
    if place is None or place.revision is None:
        return _NOTHING
    if live is None or place.revision == live.revision:
        return _LIVE
    return Mark("h-drift", "warn", "differs")


def _tell_seen(place: _Placed | None) -> str:
    """What a host runs that differs from what we put there: the release's name as the host says it."""
    if place is None or not place.drift or place.drift == Drift.BEHIND:
        return ""
    return {Drift.NOTHING: "nothing", Drift.BROKEN: "broken link"}.get(Drift(place.drift), place.seen)
