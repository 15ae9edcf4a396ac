"""The list of hosts: where each stands, what it really runs, and when it last said so."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from deployments.models import Drift, Observation, Placement
from deployments.page_queries.host_map import RegionMap, build_map, size_of
from deployments.page_queries.host_marks import (
    ASIDE,
    DRIFT,
    EMPTY,
    OBSERVED,
    SILENT,
    is_silent,
    mark_of,
    read_marks,
    read_standings,
)
from deployments.page_queries.words import Mark
from environments import sight
from environments.models import Environment, Host, Membership, Region, User

PAGE = 50
FEW = 3  # targets of a host that are told one by one
STATES = ("differing", "silent", "aside", "observed", "empty")


@dataclass(slots=True)
class Runs:
    """What a host runs for one target."""

    target: str
    application: str
    environment: str
    revision: str
    drift: str

    @property
    def drift_words(self) -> str:
        """`behind`; "" for what is as intended."""
        return DRIFT[Drift(self.drift)].words if self.drift else ""


@dataclass(slots=True)
class HostRow:
    """A line of the list."""

    host: Host
    mark: Mark
    words: str
    memberships: list[Membership]
    targets: int
    runs: list[Runs]
    seen: list[Observation]
    answered_at: datetime | None
    asked_at: datetime | None

    @property
    def silent(self) -> bool:
        return is_silent(self.answered_at, self.asked_at)

    @property
    def rest(self) -> int:
        """Targets that are not told one by one."""
        return self.targets - len(self.runs)


@dataclass(slots=True)
class Filter:
    """What the list is narrowed to."""

    q: str = ""
    region: str = ""
    environment: str = ""
    state: str = ""
    after: str = ""

    @property
    def narrowed(self) -> bool:
        return bool(self.q or self.region or self.environment or self.state)

    def address(self, after: str = "") -> str:
        """The query of an address with these filters, from `after` on."""
        values = asdict(self) | {"after": after}
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(slots=True)
class HostsPage:
    """Everything that the list of hosts shows."""

    headline: str
    regions: list[RegionMap]
    total: int
    found: int
    rows: list[HostRow]
    after: str
    environments: list[str]
    places: list[str]

    @property
    def size(self) -> str:
        """How large squares are drawn: l, m or s."""
        return size_of(self.total)


def read_hosts(wanted: Filter, *, user: User | None = None) -> HostsPage:
    """A fixed number of queries: the map of all hosts, and a page of the list by name."""
    theirs = Host.objects.filter(sight.of_hosts(user))
    marks, everything = read_marks(), read_standings(theirs)
    squares = {host.pk: mark_of(host, marks) for host in everything}
    found = _narrow(theirs, wanted, squares)
    names = found.order_by("name").values_list("name", flat=True)
    page = list(
        (found.filter(name__gt=wanted.after) if wanted.after else found)
        .select_related("zone__region")
        .order_by("name")[: PAGE + 1]
    )
    regions = build_map((host, squares[host.pk]) for host in everything)
    return HostsPage(
        headline=_tell_headline([squares[host.pk] for host in everything]),
        regions=regions,
        total=len(squares),
        found=names.count() if wanted.narrowed else len(squares),
        rows=build_rows(page[:PAGE], squares, user),
        after=page[PAGE - 1].name if len(page) > PAGE else "",
        environments=list(Environment.objects.filter(sight.of_environments(user)).values_list("name", flat=True)),
        places=list(_regions(user).values_list("name", flat=True)),
    )


def _regions(user: User | None) -> QuerySet[Region]:
    if sight.sees_all(user):
        return Region.objects.all()
    return Region.objects.filter(zones__hosts__in=Host.objects.filter(sight.of_hosts(user))).distinct()


def _narrow(hosts: QuerySet[Host], wanted: Filter, squares: Mapping[int, Mark]) -> QuerySet[Host]:
    if wanted.q:
        hosts = hosts.filter(Q(name__icontains=wanted.q) | Q(address__icontains=wanted.q))
    if wanted.region:
        hosts = hosts.filter(zone__region__name=wanted.region)
    if wanted.environment:
        member = Membership.objects.filter(host=OuterRef("pk"), environment__name=wanted.environment)
        hosts = hosts.filter(Exists(member))
    if wanted.state == "aside":
        hosts = hosts.exclude(aside="")
    elif wanted.state == "observed":
        hosts = hosts.filter(observed=True)
    elif wanted.state:
        hosts = hosts.filter(pk__in=[pk for pk, mark in squares.items() if _is_in(mark, wanted.state)])
    return hosts


def _is_in(mark: Mark, state: str) -> bool:
    if state == "differing":
        return mark in DRIFT.values()
    return mark is (SILENT if state == "silent" else EMPTY)


def build_rows(hosts: Sequence[Host], squares: Mapping[int, Mark], user: User | None = None) -> list[HostRow]:
    """Three queries for a page of hosts, and one more where some are only observed."""
    ids = [host.pk for host in hosts]
    placements = Placement.objects.filter(sight.of_targets(user, "target__"), host__in=ids, colour="")
    counted = placements.order_by().values("host_id").annotate(targets=Count("id"))
    targets = {row["host_id"]: row["targets"] for row in counted}
    few = [pk for pk, number in targets.items() if number <= FEW]
    runs: dict[int, list[Runs]] = defaultdict(list)
    told = placements.filter(Q(host__in=few) | ~Q(drift=""))
    for row in told.select_related("target__application", "target__environment", "current").order_by("target"):
        runs[row.host_id].append(_runs_of(row))
    members: dict[int, list[Membership]] = defaultdict(list)
    for member in (
        Membership.objects.filter(sight.of_memberships(user), host__in=ids)
        .select_related("environment")
        .order_by("environment")
    ):
        members[member.host_id].append(member)
    seen = _read_seen([host.pk for host in hosts if host.observed])
    rows = []
    for host in hosts:
        mark = squares[host.pk]
        words = host.aside_why if host.aside else ""
        rows.append(
            HostRow(
                host=host,
                mark=mark,
                words=words,
                memberships=members[host.pk],
                targets=targets.get(host.pk, 0),
                runs=sorted(runs[host.pk], key=lambda run: not run.drift)[:FEW],
                seen=seen[host.pk][:FEW],
                answered_at=host.heard_at,
                asked_at=host.asked_at,
            )
        )
    return rows


def _read_seen(hosts: Sequence[int]) -> dict[int, list[Observation]]:
    found: dict[int, list[Observation]] = defaultdict(list)
    if hosts:
        for row in Observation.objects.filter(host__in=hosts).order_by("root"):
            found[row.host_id].append(row)
    return found


def _runs_of(row: Placement) -> Runs:
    target = row.target
    return Runs(
        target=f"{target.application.name} {target.place}",
        application=target.application.name,
        environment=target.environment.name,
        revision=row.current.revision if row.current else "",
        drift=row.drift,
    )


def _tell_headline(marks: Sequence[Mark]) -> str:
    """The page in one sentence with numbers."""
    if not marks:
        return "No hosts yet."
    total = len(marks)
    counts = Counter(map(id, marks))  # each is one of ours
    differing = sum(counts[id(mark)] for mark in DRIFT.values())
    silent = counts[id(SILENT)]
    observed = counts[id(OBSERVED)]
    aside = sum(counts[id(mark)] for mark in ASIDE.values())
    parts = [
        f"{differing:,} run{'s' if differing == 1 else ''} something else than intended" if differing else "",
        f"{silent:,} did not answer" if silent else "",
        f"{aside:,} set aside" if aside else "",
        f"{observed:,} only observed" if observed else "",
    ]
    told = ", ".join(part for part in parts if part)
    head = f"{total:,} host{'' if total == 1 else 's'}"
    return f"{head}, {told}." if told else f"{head}, {'and it is' if total == 1 else 'all'} as intended."
