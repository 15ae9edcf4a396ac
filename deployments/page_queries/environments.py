"""Environments: what each holds, what is live in it, and how its hosts are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, Subquery, Window

from deployments.models import Deploy, Placement
from deployments.page_queries.home import open_deploys_of, read_progress
from deployments.page_queries.host_map import RegionMap, Square, build_map, size_of, tell_squares, tell_trouble
from deployments.page_queries.host_marks import mark_of, read_marks, read_standings
from deployments.page_queries.matrix import Progress
from deployments.page_queries.words import ALARMS, PREPARED, Mark, mark_of_deploy
from deployments.states import DeployStatus
from environments import sight
from environments.models import Environment, Host, HostSource, Membership, Target, Transport, User

SQUARES = 60
PAGE = 50
_OF_TARGETS = (
    "application__name",
    "environment__name",
    *(f"standing__live__{name}" for name in ("revision", "ref", "by_name", "finished_at")),
    *(f"standing__latest__{name}" for name in ("status", "number", "held", "prepared_at")),
)


@dataclass(slots=True)
class Place:
    """An environment in the list."""

    environment: Environment
    targets: int
    live: int
    squares: list[Square]
    more: int
    hosts: int
    trouble: str
    regions: int
    running: int
    waiting: int
    alarms: int


@dataclass(slots=True)
class EnvironmentsPage:
    """Everything that the list of environments shows."""

    places: list[Place]
    hosts: int
    regions: int


@dataclass(slots=True)
class TargetLine:
    """One target of an environment."""

    target: Target
    live: Deploy | None
    latest: Deploy | None
    mark: Mark | None
    words: str
    progress: Progress | None
    drift: int


@dataclass(slots=True)
class Source:
    """Where hosts of an environment come from. `row`: the source that gives them, where it is one that is read."""

    name: str
    hosts: int
    row: HostSource | None = None


@dataclass(slots=True)
class EnvironmentPage:
    """Everything that the page of one environment shows."""

    environment: Environment
    targets: list[TargetLine]
    total: int
    after: str
    regions: list[RegionMap]
    hosts: int
    sentence: str
    sources: list[Source]
    drift: int
    before: Environment | None
    following: Environment | None

    @property
    def size(self) -> str:
        """How large squares are drawn."""
        return size_of(self.hosts)


def read_environments(user: User | None = None) -> EnvironmentsPage:
    """A fixed number of queries; their size follows the fleet, never the history."""
    theirs, environments = sight.of_targets(user, "targets__"), sight.of_environments(user)
    counted = (
        Environment.objects.filter(environments)
        .annotate(
            number=Count("targets", filter=theirs, distinct=True),
            live=Count("targets", filter=theirs & Q(targets__standing__live__isnull=False), distinct=True),
        )
        .order_by("position", "name")
    )
    squares: dict[int, list[Square]] = defaultdict(list)
    regions: dict[int, set[str]] = defaultdict(set)
    every: set[str] = set()
    marks = read_marks()
    hosts = {host.pk: host for host in read_standings(Host.objects.filter(sight.of_hosts(user)))}
    members = Membership.objects.order_by("host__name").values_list("environment_id", "host_id")
    for environment_id, host_id in members:
        if host_id not in hosts:
            continue
        host = hosts[host_id]
        squares[environment_id].append(Square(host.name, mark_of(host, marks)))
        regions[environment_id].add(host.region)
        every.add(host.name)
    states = _count_states(user)
    places = [
        Place(
            environment=environment,
            targets=environment.number,
            live=environment.live,
            squares=squares[environment.pk][:SQUARES],
            more=max(0, len(squares[environment.pk]) - SQUARES),
            hosts=len(squares[environment.pk]),
            trouble=tell_trouble(squares[environment.pk]),
            regions=len(regions[environment.pk]),
            running=states[environment.pk]["running"],
            waiting=states[environment.pk]["waiting"],
            alarms=states[environment.pk]["alarms"],
        )
        for environment in counted
    ]
    return EnvironmentsPage(places, len(every), len(set().union(*regions.values()) if regions else ()))


def _count_states(user: User | None) -> dict[int, dict[str, int]]:
    """Deploys under way and waiting, and targets whose last deploy did not end well, by environment."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    under_way = open_deploys_of().filter(sight.of_targets(user, "target__")).order_by()
    for row in under_way.values("target__environment", "status").annotate(number=Count("id")):
        word = "waiting" if row["status"] == DeployStatus.WAITING else "running"
        found[row["target__environment"]][word] += row["number"]
    alarms = (
        Target.objects.filter(sight.of_targets(user), standing__latest__status__in=ALARMS)
        .order_by()
        .values("environment")
    )
    for sick in alarms.annotate(number=Count("id")):
        found[sick["environment"]]["alarms"] += sick["number"]
    return found


def read_environment(
    environment: Environment, *, after: str = "", q: str = "", user: User | None = None
) -> EnvironmentPage:
    """A fixed number of queries; targets come a page at a time, by the names of their applications."""
    marks = read_marks()
    hosts = read_standings(Host.objects.filter(memberships__environment=environment))
    pairs = [(host, mark_of(host, marks)) for host in hosts]
    squares = [Square(host.name, mark) for host, mark in pairs]
    members = Membership.objects.filter(environment=environment).order_by("source").values("source")
    counted = {row["source"]: row["number"] for row in members.annotate(number=Count("id"))}
    read = {row.name: row for row in HostSource.objects.filter(environment=environment)}
    every = Target.objects.filter(sight.of_targets(user), environment=environment, name="")
    found = every.filter(application__name__icontains=q) if q else every
    page = found.filter(application__name__gt=after) if after else found
    related = ("application", "environment", "standing__live", "standing__latest")
    rows = page.select_related(*related).only(*_OF_TARGETS).order_by("application__name")
    # all are counted by the same query: those before us, too
    every_one = Subquery(found.order_by().values("environment").annotate(number=Count("pk")).values("number"))
    shown = list(rows.annotate(every=every_one if after else Window(Count("pk")))[: PAGE + 1])
    drift = _count_drift(environment, user)
    around = list(Environment.objects.filter(sight.of_environments(user)))
    at = around.index(environment)
    return EnvironmentPage(
        environment=environment,
        targets=_build_lines(shown[:PAGE], drift),
        total=getattr(shown[0], "every", 0) if shown else found.count(),
        after=shown[PAGE - 1].application.name if len(shown) > PAGE else "",
        regions=build_map(pairs),
        hosts=len(hosts),
        sentence=tell_squares(squares),
        sources=[Source(name, counted.get(name, 0), read.get(name)) for name in sorted({*counted, *read})],
        drift=sum(drift.values()),
        before=around[at - 1] if at else None,
        following=around[at + 1] if at + 1 < len(around) else None,
    )


def _count_drift(environment: Environment, user: User | None) -> dict[int, int]:
    """How many hosts differ, by target."""
    differing = Placement.objects.filter(
        sight.of_targets(user, "target__"),
        target__environment=environment,
        colour="",
        host__transport=Transport.SSH,
        host__aside="",
    )
    rows = differing.exclude(drift="").order_by().values("target_id").annotate(number=Count("id"))
    return {row["target_id"]: row["number"] for row in rows}


def _build_lines(rows: Sequence[Target], drift: dict[int, int]) -> list[TargetLine]:
    open_ones = [latest.pk for row in rows if (latest := _latest(row)) and latest.status in (*ALARMS, "running")]
    progress = read_progress(open_ones)
    lines = []
    for row in rows:
        standing = getattr(row, "standing", None)
        live, latest = (standing.live if standing else None), _latest(row)
        loud = latest is not None and latest.status not in (DeployStatus.SUCCEEDED, DeployStatus.CANCELLED)
        mark = (PREPARED if latest.rests else mark_of_deploy(latest.status)) if latest is not None and loud else None
        far = progress[latest.pk] if latest is not None and latest.pk in progress else None
        words = f"{far.live} of {far.total} hosts" if far and latest and latest.status == DeployStatus.PARTIAL else ""
        lines.append(
            TargetLine(row, live, latest, mark, words or (mark.words if mark else ""), far, drift.get(row.pk, 0))
        )
    return lines


def _latest(target: Target) -> Deploy | None:
    standing = getattr(target, "standing", None)
    return standing.latest if standing else None
