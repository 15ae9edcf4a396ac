"""One host: its facts, what it really runs for each target, which keys it is trusted by, what was done on it last."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch

from deployments.models import Drift, HostRun, Placement
from deployments.page_queries.hosts import EMPTY, FINE, SILENT, is_silent, mark_of, read_marks
from deployments.page_queries.words import Mark, mark_of_run
from environments import sight, ssh
from environments.models import Host, HostKey, Membership, Target, User
from notifications.models import Event
from notifications.sentences import Told, tell

RUNS = 15
EVENTS = 15
MOST_PLACES = 100

_WORDS = {
    Drift.BEHIND: "an earlier release of ours",
    Drift.OUTSIDE: "switched from outside",
    Drift.NOTHING: "nothing",
    Drift.BROKEN: "its current leads nowhere",
}


@dataclass(slots=True)
class Place:
    """What the host runs for one target, as it said when it was last asked."""

    target: Target
    mark: Mark
    revision: str
    ref: str
    release: str
    words: str
    intended: str
    since: datetime | None
    answered_at: datetime | None
    converges: bool


@dataclass(slots=True)
class Key:
    """A key that the host is trusted by."""

    row: HostKey
    fingerprint: str


@dataclass(slots=True)
class HostPage:
    """Everything that the page of a host shows."""

    host: Host
    mark: Mark
    memberships: list[Membership]
    places: list[Place]
    more_places: int
    keys: list[Key]
    runs: list[tuple[HostRun, Mark]]
    events: list[tuple[Event, Told]]
    answered_at: datetime | None
    asked_at: datetime | None

    @property
    def differing(self) -> int:
        """How many targets it runs something else for."""
        return sum(place.mark.tone == "bad" for place in self.places)

    @property
    def silent(self) -> bool:
        return is_silent(self.answered_at, self.asked_at)


def find_host(name: str) -> Host:
    """Raises Host.DoesNotExist."""
    members = Membership.objects.select_related("environment").order_by("environment__position", "environment__name")
    found = Host.objects.select_related("zone__region__gateway").prefetch_related("keys")
    return found.prefetch_related(Prefetch("memberships", members)).get(name=name)


def read_host(host: Host, *, user: User | None = None) -> HostPage:
    """A fixed number of queries; of runs and events only the newest."""
    rows = Placement.objects.filter(sight.of_targets(user, "target__"), host=host, colour="").select_related(
        "target__application", "target__environment", "target__standing__live__release", "current"
    )
    ordered = list(rows.order_by("target__environment__position", "target__application__name")[: MOST_PLACES + 1])
    places = [_place_of(row, host) for row in ordered[:MOST_PLACES]]
    runs = HostRun.objects.filter(sight.of_targets(user, "deploy__target__"), host=host).select_related(
        "deploy__target__application", "deploy__target__environment"
    )
    events = Event.objects.filter(sight.of_events(user), host=host.name).order_by("-id")[:EVENTS]
    return HostPage(
        host=host,
        mark=mark_of(host, read_marks(host)),
        memberships=_memberships(host, user),
        places=places,
        more_places=max(0, len(ordered) - MOST_PLACES),
        keys=[Key(row, ssh.fingerprint(row.key)) for row in host.keys.all()],
        runs=[(run, mark_of_run(run.status)) for run in runs.order_by("-id")[:RUNS]],
        events=[(event, tell(event)) for event in events],
        answered_at=host.heard_at,
        asked_at=host.asked_at,
    )


def _memberships(host: Host, user: User | None) -> list[Membership]:
    known = list(host.memberships.all())
    if sight.sees_all(user):
        return known
    theirs = set(host.memberships.filter(sight.of_memberships(user)).values_list("pk", flat=True))
    return [member for member in known if member.pk in theirs]


def _asked_at(row: Placement) -> datetime | None:
    standing = getattr(row.target, "standing", None)
    watched = row.target.drift_minutes and row.target.left_at is None and row.target.runner_id is None
    return standing.looked_at if standing and watched else None


def _place_of(row: Placement, host: Host) -> Place:
    standing = getattr(row.target, "standing", None)
    live = standing.live if standing else None
    intended = live.revision if live else ""
    return Place(
        target=row.target,
        mark=_mark_of(row),
        revision=row.current.revision if row.current and row.drift not in (Drift.OUTSIDE, Drift.BROKEN) else "",
        ref=row.current.ref if row.current else "",
        release=row.seen or (row.current.name if row.current else ""),
        words=_WORDS.get(Drift(row.drift), "") if row.drift else "",
        intended=intended,
        since=row.switched_at,
        answered_at=row.seen_at,
        converges=bool(row.drift and live is not None and live.release_id and not host.aside),
    )


def _mark_of(row: Placement) -> Mark:
    if row.drift == Drift.BROKEN:
        return Mark("h-failed", "bad", "broken")
    if row.drift:
        return Mark("h-drift", "bad", row.get_drift_display())
    if is_silent(row.seen_at, _asked_at(row)):
        return SILENT
    return FINE if row.current_id else EMPTY
