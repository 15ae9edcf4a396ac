"""The first page: a matrix of applications and environments, what happens now, what happened last."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.db.models import Count, QuerySet

from deployments.models import Deploy, HostRun, Kind, Star
from deployments.page_queries.locks import read_told_locks, tell_lock
from deployments.page_queries.matrix import (
    Progress,
    Row,
    TargetRow,
    build_row,
    group_rows,
    open_by_target,
    read_live_facts,
    read_targets,
)
from deployments.page_queries.words import (
    PREPARED,
    Mark,
    count_words,
    mark_of_deploy,
    mark_of_run,
    tell_deploy,
    tell_hosts,
)
from deployments.shared_reading import SharedReading
from deployments.states import ACTIVE, DeployStatus
from environments import sight
from environments.models import Environment, Lock, User

SHOWN_NOW = 6
SHOWN_RECENT = 8
SHOWN_SQUARES = 48
SHOWN_ROWS = 40  # more come as one scrolls
MOST_ROWS = 2000
WHICH = ("all", "mine", "attention")


@dataclass(slots=True)
class Now:
    """A deploy that is under way or waits; `squares` only where all of them can be shown."""

    deploy: Deploy
    mark: Mark
    squares: list[Mark]
    progress: Progress
    sentence: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is true for everybody, as it was read at one time."""

    environments: Sequence[Environment]
    targets: list[TargetRow]
    open_deploys: list[Deploy]
    progress: Mapping[int, Progress]
    squares: Mapping[int, list[Mark]]
    recent: list[Deploy]
    locks: Mapping[str, list[Lock]]


@dataclass(slots=True)
class Rows:
    """Some rows of the matrix; `found` in all by what was asked for, of `all` there are."""

    rows: list[Row]
    found: int
    all: int
    mine: int
    attention: int
    shown: int  # how many rows there are up to the last of these

    @property
    def more(self) -> bool:
        return self.shown < self.found


@dataclass(slots=True)
class Home:
    """Everything that the first page shows."""

    headline: str
    environments: Sequence[Environment]
    matrix: Rows
    now: list[Now]
    more_now: int
    recent: list[tuple[Deploy, Mark, str]]


def _read_fleet(user: User | None = None) -> Fleet:
    """Seven queries; their number and size follow the fleet, never the history. Of `user`: what they may view."""
    # a query that groups has no order of its own
    shown = Environment.objects.filter(sight.of_environments(user)).annotate(hosts=Count("memberships"))
    environments = list(shown.order_by("position", "name"))
    targets = read_targets(user)
    theirs = sight.of_targets(user, "target__")
    open_deploys = list(_with_names(open_deploys_of().filter(theirs)))
    counted = {row.latest for row in targets if row.latest and row.status == DeployStatus.PARTIAL}
    counted |= {deploy.pk for deploy in open_deploys if deploy.is_active}
    first = _first(open_deploys)
    progress = read_progress([*counted, *(deploy.pk for deploy in first if not deploy.is_active)])
    recent = _with_names(Deploy.objects.filter(theirs))
    squares = _read_squares(first, progress)
    return Fleet(
        environments,
        targets,
        open_deploys,
        progress,
        squares,
        list(recent.order_by("-id")[:SHOWN_RECENT]),
        read_told_locks(),
    )


_fleet = SharedReading(_read_fleet)


def _fleet_of(user: User, since: float | None) -> Fleet:
    """What all who see everything share; a reading of their own for others."""
    return _fleet.get(since) if sight.sees_all(user) else _read_fleet(user)


def read_home(
    *, user: User, q: str = "", which: str = "all", rows: int = SHOWN_ROWS, since: float | None = None
) -> Home:
    """The page, with the first rows. `since`: how old a reading may be that somebody else has asked for."""
    fleet = _fleet_of(user, since)
    now = _build_now(fleet)
    return Home(
        headline=_tell_headline(fleet),
        environments=fleet.environments,
        matrix=_choose_rows(fleet, user=user, q=q, which=which, start=0, rows=rows),
        now=now,
        more_now=len(fleet.open_deploys) - len(now),
        recent=[(it, mark_of_deploy(it.status), _tell_recent(it)) for it in fleet.recent],
    )


def read_rows(*, user: User, q: str, which: str, start: int, since: float | None = None) -> Rows:
    """The next rows of the matrix, from the one numbered `start` on."""
    return _choose_rows(_fleet_of(user, since), user=user, q=q, which=which, start=start, rows=SHOWN_ROWS)


def _choose_rows(fleet: Fleet, *, user: User, q: str, which: str, start: int, rows: int) -> Rows:
    starred = set(Star.objects.filter(person=user).values_list("target_id", flat=True))
    mine = starred | set(Deploy.objects.filter(by=user).order_by("-id").values_list("target_id", flat=True)[:100])

    def is_mine(members: Sequence[TargetRow]) -> bool:
        return any(it.pk in mine for it in members)

    groups = group_rows(fleet.targets, is_mine)
    own = [group for group in groups if is_mine(group)]
    alarming = [group for group in groups if any(it.alarms for it in group)]
    words = q.lower().split()
    among = {"mine": own, "attention": alarming}.get(which, groups)
    found = [group for group in among if all(word in group[0].application.lower() for word in words)]
    opened = open_by_target(fleet.open_deploys)
    chosen = found[start : start + rows]
    facts = read_live_facts(row for members in chosen for row in members)
    built = [
        build_row(
            members,
            environments=fleet.environments,
            opened=opened,
            progress=fleet.progress,
            facts=facts,
            mine=is_mine(members),
            starred=any(it.pk in starred for it in members),
            locked=partial(tell_lock, fleet.locks, members[0].application),
        )
        for members in chosen
    ]
    return Rows(built, len(found), len(groups), len(own), len(alarming), start + len(built))


def _tell_recent(deploy: Deploy) -> str:
    return tell_deploy(deploy.status, task=deploy.ref if deploy.kind == Kind.TASK else "")


def _with_names(deploys: QuerySet[Deploy]) -> QuerySet[Deploy]:
    """Only what this page tells of each: whole targets, plans and recipes would cost more than all the rest."""
    told = (
        ("number", "kind", "status", "ref", "revision", "by_name", "held", "met_lock"),
        ("prepared_at", "requested_at", "started_at", "finished_at"),
        ("target__application__name", "target__environment__name", "target__name"),
    )
    related = ("target__application", "target__environment")
    return deploys.select_related(*related).only(*(name for names in told for name in names))


def open_deploys_of() -> QuerySet[Deploy]:
    """Deploys that wait or are under way: by target, oldest first. Found by their index, whatever the history."""
    return Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).order_by("target_id", "id")


def read_progress(deploys: list[int]) -> dict[int, Progress]:
    """How many hosts of each of these deploys are in which state."""
    found: dict[int, Progress] = defaultdict(Progress)
    counted = HostRun.objects.filter(deploy_id__in=deploys).order_by().values("deploy_id", "status")
    for row in counted.annotate(number=Count("id")):
        found[row["deploy_id"]].counts[row["status"]] = row["number"]
    return found


def _first(open_deploys: Sequence[Deploy]) -> list[Deploy]:
    """Active deploys before those that wait, the newest first, at most SHOWN_NOW."""
    return sorted(open_deploys, key=lambda deploy: (not deploy.is_active, -deploy.pk))[:SHOWN_NOW]


def _read_squares(shown: Sequence[Deploy], progress: Mapping[int, Progress]) -> dict[int, list[Mark]]:
    """A square per host where they are few; a bar tells of many."""
    few = [deploy.pk for deploy in shown if progress[deploy.pk].total <= SHOWN_SQUARES]
    runs = HostRun.objects.filter(deploy__in=few).order_by("deploy_id", "region", "zone", "host_name")
    found: dict[int, list[Mark]] = defaultdict(list)
    for deploy_id, status in runs.values_list("deploy_id", "status"):
        found[deploy_id].append(mark_of_run(status))
    return found


def _build_now(fleet: Fleet) -> list[Now]:
    return [
        Now(
            deploy=deploy,
            mark=PREPARED if deploy.rests else mark_of_deploy(deploy.status),
            squares=fleet.squares[deploy.pk],
            progress=fleet.progress[deploy.pk],
            sentence=_tell_now(deploy, fleet.open_deploys, fleet.progress[deploy.pk]),
        )
        for deploy in _first(fleet.open_deploys)
    ]


def _tell_now(deploy: Deploy, open_deploys: Sequence[Deploy], progress: Progress) -> str:
    """Where its hosts are; for one that waits, which deploys are before it."""
    if deploy.status != DeployStatus.WAITING:
        return tell_hosts(progress.counts, goal="done" if deploy.kind == Kind.TASK else "live")
    if deploy.met_lock_id:
        return "Held by a lock."
    ahead = [
        it
        for it in open_deploys
        if not it.met_lock_id and it.target_id == deploy.target_id and it.number < deploy.number
    ]
    return "For " + ", ".join(f"#{it.number}" for it in ahead) + " to end." if ahead else "Its turn is next."


def _tell_headline(fleet: Fleet) -> str:
    """The page in one sentence with numbers."""
    active = sum(deploy.is_active for deploy in fleet.open_deploys)
    waiting = len(fleet.open_deploys) - active
    alarms = sum(row.alarms for row in fleet.targets)
    parts = [count_words(active, "deploy under way", "deploys under way")]
    if waiting:
        parts.append(count_words(waiting, "waits", "wait").lower())
    if alarms:
        parts.append(count_words(alarms, "target needs", "targets need").lower() + " someone")
    return ", ".join(parts) + "."
