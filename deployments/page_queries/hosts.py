"""Hosts: where they stand, what each really runs, and when it last said so."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from deployments.models import Drift, Placement
from deployments.page_queries.words import Mark
from environments import sight
from environments.models import Aside, Environment, Host, Membership, Region, User

PAGE = 50
FEW = 3  # targets of a host that are told one by one
LATE = timedelta(seconds=60)  # a host that was asked longer ago than this and has not answered is silent
STATES = ("differing", "silent", "aside", "empty")

FINE = Mark("h-live", "ok", "as intended")
EMPTY = Mark("h-waiting", "idle", "nothing deployed yet")
SILENT = Mark("h-unknown", "warn", "did not answer")
_ASIDE = {
    Aside.DRAINED: Mark("h-skipped", "idle", "drained"),
    Aside.QUARANTINED: Mark("h-skipped", "bad", "quarantined"),
}
_DRIFT = {
    Drift.BROKEN: Mark("h-failed", "bad", "its current leads nowhere"),
    Drift.OUTSIDE: Mark("h-drift", "bad", "switched from outside"),
    Drift.NOTHING: Mark("h-drift", "bad", "runs nothing yet"),
    Drift.BEHIND: Mark("h-drift", "bad", "behind"),
}  # the worst first


class Standing(NamedTuple):
    """What the map needs of a host: a thousand of these cost less than the models would."""

    pk: int
    name: str
    aside: str
    asked_at: datetime | None
    heard_at: datetime | None
    zone: str
    region: str


@dataclass(slots=True)
class Square:
    """A host on the map."""

    name: str
    mark: Mark


@dataclass
class ZoneMap:
    """The hosts of one zone."""

    name: str
    squares: list[Square]

    @cached_property
    def sentence(self) -> str:
        """`40 hosts, 2 behind`: what the picture shows, in words."""
        return tell_squares(self.squares)

    def tag_facts(self) -> str:
        """Of thousands of squares, in one text."""
        return f"{self.name} " + " ".join(f"{square.name}:{square.mark.words}" for square in self.squares)


@dataclass
class RegionMap:
    """One region with its zones; the empty name is for hosts that stand nowhere."""

    name: str
    zones: list[ZoneMap]

    @cached_property
    def squares(self) -> list[Square]:
        return [square for zone in self.zones for square in zone.squares]

    @property
    def hosts(self) -> int:
        return len(self.squares)

    @cached_property
    def trouble(self) -> str:
        """What is not as it should be, in words; "" if nothing."""
        return tell_trouble(self.squares)


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
        return _DRIFT[Drift(self.drift)].words if self.drift else ""


@dataclass(slots=True)
class HostRow:
    """A line of the list."""

    host: Host
    mark: Mark
    words: str
    memberships: list[Membership]
    targets: int
    runs: list[Runs]
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


def size_of(hosts: int) -> str:
    """Squares are large up to about 60 hosts, small beyond 300."""
    return "l" if hosts <= 60 else "m" if hosts <= 300 else "s"


def is_silent(answered: datetime | None, asked: datetime | None) -> bool:
    return asked is not None and (answered is None or answered < asked - LATE)


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
    elif wanted.state:
        hosts = hosts.filter(pk__in=[pk for pk, mark in squares.items() if _is_in(mark, wanted.state)])
    return hosts


def _is_in(mark: Mark, state: str) -> bool:
    if state == "differing":
        return mark in _DRIFT.values()
    return mark is (SILENT if state == "silent" else EMPTY)


@dataclass(slots=True)
class Marks:
    """What is known of hosts beyond their own rows, by id."""

    drift: dict[int, str]
    placed: set[int]


def read_marks(*hosts: Host) -> Marks:
    """Two queries: over what is unusual, and which hosts have anything at all; of all hosts, or of these."""
    places = Placement.objects.filter(host__in=hosts, colour="") if hosts else Placement.objects.filter(colour="")
    drift: dict[int, str] = {}
    order = list(_DRIFT)
    for host_id, word in places.exclude(drift="").order_by().values_list("host_id", "drift").distinct():
        if host_id not in drift or order.index(Drift(word)) < order.index(Drift(drift[host_id])):
            drift[host_id] = word
    placed = Placement.objects.filter(host=OuterRef("pk"), current__isnull=False)
    able = Host.objects.filter(pk__in=[host.pk for host in hosts]) if hosts else Host.objects.all()
    return Marks(drift, set(able.filter(Exists(placed)).order_by().values_list("pk", flat=True)))


def read_standings(hosts: QuerySet[Host]) -> list[Standing]:
    """One query."""
    columns = ("pk", "name", "aside", "asked_at", "heard_at", "zone__name", "zone__region__name")
    rows = hosts.order_by("name").values_list(*columns)
    return [
        Standing(pk, name, aside, asked, heard, zone or "", region or "")
        for pk, name, aside, asked, heard, zone, region in rows
    ]


def mark_of(host: Host | Standing, marks: Marks) -> Mark:
    """The one state that matters most: set aside, silent, differing, empty, fine."""
    if host.aside:
        return _ASIDE[Aside(host.aside)]
    if is_silent(host.heard_at, host.asked_at):
        return SILENT
    if host.pk in marks.drift:
        return _DRIFT[Drift(marks.drift[host.pk])]
    return FINE if host.pk in marks.placed else EMPTY


def build_map(hosts: Iterable[tuple[Standing, Mark]]) -> list[RegionMap]:
    """Regions with zones with squares, in the order of their names; what stands nowhere last."""
    ordered = sorted(hosts, key=lambda pair: (not pair[0].region, pair[0].region, pair[0].zone, pair[0].name))
    regions = []
    for region, group in groupby(ordered, key=lambda pair: pair[0].region):
        zones = groupby(group, key=lambda pair: pair[0].zone)
        made = [ZoneMap(name, [Square(host.name, mark) for host, mark in pairs]) for name, pairs in zones]
        regions.append(RegionMap(region, made))
    return regions


def build_rows(hosts: Sequence[Host], squares: Mapping[int, Mark], user: User | None = None) -> list[HostRow]:
    """Three queries for a page of hosts."""
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
                answered_at=host.heard_at,
                asked_at=host.asked_at,
            )
        )
    return rows


def _runs_of(row: Placement) -> Runs:
    target = row.target
    return Runs(
        target=f"{target.application.name} {target.environment.name}",
        application=target.application.name,
        environment=target.environment.name,
        revision=row.current.revision if row.current else "",
        drift=row.drift,
    )


def tell_squares(squares: Sequence[Square]) -> str:
    number = len(squares)
    head = f"{number:,} host{'' if number == 1 else 's'}"
    trouble = tell_trouble(squares)
    return f"{head}, {trouble}" if trouble else head


def tell_trouble(squares: Iterable[Square]) -> str:
    """`2 behind, 1 drained`; "" where all is well."""
    counts: dict[str, int] = defaultdict(int)
    for square in squares:
        if square.mark is not FINE and square.mark is not EMPTY:  # thousands of them: no look into each
            counts[square.mark.words] += 1
    return ", ".join(f"{number:,} {words}" for words, number in sorted(counts.items()))


def _tell_headline(marks: Sequence[Mark]) -> str:
    """The page in one sentence with numbers."""
    if not marks:
        return "No hosts yet."
    total = len(marks)
    counts = Counter(map(id, marks))  # each is one of ours
    differing = sum(counts[id(mark)] for mark in _DRIFT.values())
    silent = counts[id(SILENT)]
    aside = sum(counts[id(mark)] for mark in _ASIDE.values())
    parts = [
        f"{differing:,} run{'s' if differing == 1 else ''} something else than intended" if differing else "",
        f"{silent:,} did not answer" if silent else "",
        f"{aside:,} set aside" if aside else "",
    ]
    told = ", ".join(part for part in parts if part)
    head = f"{total:,} host{'' if total == 1 else 's'}"
    return f"{head}, {told}." if told else f"{head}, {'and it is' if total == 1 else 'all'} as intended."
