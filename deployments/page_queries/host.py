"""One host: its facts, what it really runs for each target, which keys it is trusted by, what was done on it last."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, Prefetch, Q

from deployments.models import Drift, HostRun, Observation, Placement
from deployments.page_queries.host_marks import EMPTY, FINE, SILENT, is_silent, mark_of, read_marks
from deployments.page_queries.words import Mark, mark_of_run
from environments import sight, ssh
from environments.models import Heartbeat, Host, HostKey, Membership, User
from environments.sources import heartbeats
from environments.ssh import authorities
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

_OF_RUNS = (
    "status",
    "step",
    "started_at",
    "finished_at",
    "deploy__number",
    "deploy__kind",
    "deploy__ref",
    "deploy__revision",
    "deploy__target__application__name",
    "deploy__target__environment__name",
    "deploy__target__name",
)


@dataclass(slots=True)
class Place:
    """What the host runs for one target, as it said when it was last asked."""

    target: int
    key: tuple[int, int]
    application: str
    environment: str
    mark: Mark
    revision: str
    ref: str
    release: str
    words: str
    intended: str
    since: datetime | None
    answered_at: datetime | None
    converges: bool


class _Facts(NamedTuple):
    """What is read of a place. Plain values: a hundred places would be nine hundred instances."""

    target: int
    application_id: int
    environment_id: int
    application: str
    environment: str
    drift_minutes: int
    left_at: datetime | None
    runner: int | None
    looked_at: datetime | None
    live_revision: str | None
    live_release: int | None
    revision: str | None
    ref: str | None
    release: str | None
    drift: str
    seen: str
    seen_at: datetime | None
    switched_at: datetime | None


_COLUMNS = (
    "target_id",
    "target__application_id",
    "target__environment_id",
    "target__application__name",
    "target__environment__name",
    "target__drift_minutes",
    "target__left_at",
    "target__runner_id",
    "target__standing__looked_at",
    "target__standing__live__revision",
    "target__standing__live__release_id",
    "current__revision",
    "current__ref",
    "current__name",
    "drift",
    "seen",
    "seen_at",
    "switched_at",
)


@dataclass(slots=True)
class Key:
    """A key that the host is trusted by."""

    row: HostKey
    fingerprint: str


@dataclass(slots=True)
class Beat:
    """What the host says of itself to a source, and whether it has fallen silent, or its token is over."""

    row: Heartbeat
    silent: bool
    over: bool


@dataclass(slots=True)
class HostPage:
    """Everything that the page of a host shows."""

    host: Host
    mark: Mark
    memberships: list[Membership]
    places: list[Place]
    more_places: bool
    keys: list[Key]
    certified: bool
    runs: list[tuple[HostRun, Mark]]
    events: list[tuple[Event, Told]]
    beats: list[Beat]
    observations: list[Observation]
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
    """A fixed number of queries; what differs comes first, of runs and events only the newest."""
    rows = Placement.objects.filter(sight.of_targets(user, "target__"), host=host, colour="")
    fine = ExpressionWrapper(Q(drift=""), output_field=BooleanField())
    ordered = rows.order_by(fine, "target__environment__position", "target__application__name").values_list(*_COLUMNS)
    places = [_place_of(_Facts(*row), host) for row in ordered[: MOST_PLACES + 1]]
    runs = (
        HostRun.objects.filter(sight.of_targets(user, "deploy__target__"), host=host)
        .select_related("deploy__target__application", "deploy__target__environment")
        .only(*_OF_RUNS)
    )
    events = Event.objects.filter(sight.of_events(user), host=host.name).order_by("-id")[:EVENTS]
    return HostPage(
        host=host,
        mark=mark_of(host, read_marks(host)),
        memberships=_memberships(host, user),
        places=places[:MOST_PLACES],
        more_places=len(places) > MOST_PLACES,
        keys=[Key(row, ssh.fingerprint(row.key)) for row in host.keys.all()],
        certified=authorities.covers(host),
        runs=[(run, mark_of_run(run.status)) for run in runs.order_by("-id")[:RUNS]],
        events=[(event, tell(event)) for event in events],
        beats=[Beat(row, heartbeats.is_silent(row), heartbeats.is_over(row)) for row in _beats(host, user)],
        observations=_observations(host, user) if host.observed else [],
        answered_at=host.heard_at,
        asked_at=host.asked_at,
    )


def _observations(host: Host, user: User | None) -> list[Observation]:
    """Of folders of several environments: for whoever sees them all."""
    seen = sight.sees_all(user) or len(_memberships(host, user)) == len(host.memberships.all())
    return list(host.observations.order_by("root")) if seen else []


def _beats(host: Host, user: User | None) -> list[Heartbeat]:
    """Those of environments that the viewer sees."""
    return list(heartbeats.of_host(host).filter(sight.of_environments(user, "source__environment")))


def _memberships(host: Host, user: User | None) -> list[Membership]:
    known = list(host.memberships.all())
    if sight.sees_all(user):
        return known
    theirs = set(host.memberships.filter(sight.of_memberships(user)).values_list("pk", flat=True))
    return [member for member in known if member.pk in theirs]


def _place_of(facts: _Facts, host: Host) -> Place:
    live = facts.live_revision or ""
    known = facts.drift not in (Drift.OUTSIDE, Drift.BROKEN)
    return Place(
        target=facts.target,
        key=(facts.application_id, facts.environment_id),
        application=facts.application,
        environment=facts.environment,
        mark=_mark_of(facts),
        revision=facts.revision or "" if known else "",
        ref=facts.ref or "",
        release=facts.seen or facts.release or "",
        words=_WORDS.get(Drift(facts.drift), "") if facts.drift else "",
        intended=live,
        since=facts.switched_at,
        answered_at=facts.seen_at,
        converges=bool(facts.drift and facts.live_release and not host.aside),
    )


def _mark_of(facts: _Facts) -> Mark:
    if facts.drift == Drift.BROKEN:
        return Mark("h-failed", "bad", "broken")
    if facts.drift:
        return Mark("h-drift", "bad", Drift(facts.drift).label)
    watched = facts.drift_minutes and facts.left_at is None and facts.runner is None
    if is_silent(facts.seen_at, facts.looked_at if watched else None):
        return SILENT
    return FINE if facts.revision is not None else EMPTY
