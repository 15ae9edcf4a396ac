"""One week of an environment's reservations and locks, as its calendar shows them, in one time zone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q

from environments import access, locks
from environments.models import BookingEnd, Environment, Lock, Reservation, Target, User
from environments.rights import teams_of

MOST = 500
DAYS = 7
TICKS = (6, 12, 18)
LANE, BAR = 16, 12  # pixels


@dataclass(slots=True)
class Entry:
    """A reservation, or a lock that is held now; `row` is one of a reservation that the viewer may change."""

    starts: datetime
    ends: datetime | None
    place: str
    holder: str
    reason: str
    words: str
    tone: str
    mine: bool
    row: Reservation | None = None


@dataclass(slots=True)
class Piece:
    """What of an entry lies in one day: where it is drawn in percent of the day, and from when to when in words."""

    entry: Entry
    x: str
    width: str
    y: int
    times: str
    first: bool


@dataclass(slots=True)
class Day:
    day: date
    today: bool
    pieces: list[Piece]
    height: int
    ticks: list[tuple[str, str]]
    now: str


@dataclass(slots=True)
class CalendarPage:
    """Everything that the calendar of an environment shows."""

    days: list[Day]
    zone: str
    first: date
    before: date
    after: date
    this: date
    headline: str
    scopes: list[tuple[str, str]] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    starts: str = ""
    ends: str = ""


def read_calendar(
    environment: Environment, viewer: User, *, first: date | None, zone: str, now: datetime
) -> CalendarPage:
    """The week in which `first` lies, by default this one. A fixed number of queries."""
    place = locks.find_zone(zone)
    this = monday_of(now.astimezone(place).date())
    begin = monday_of(first) if first else this
    last = begin + timedelta(days=DAYS)
    entries = list(_entries(environment, viewer, _midnight(begin, place), _midnight(last, place)))
    days = [_day(begin + timedelta(days=n), entries, place, now) for n in range(DAYS)]
    starts = _proposed(begin, this, now.astimezone(place))
    return CalendarPage(
        days=days,
        zone=place.key,
        first=begin,
        before=begin - timedelta(days=DAYS),
        after=last,
        this=this,
        headline=_tell(entries),
        scopes=_scopes(environment, viewer),
        teams=sorted(teams_of(viewer).values()),
        starts=f"{starts:%Y-%m-%dT%H:%M}",
        ends=f"{starts + timedelta(hours=2):%Y-%m-%dT%H:%M}",
    )


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _midnight(day: date, place: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), place).astimezone(UTC)


def _proposed(begin: date, this: date, here: datetime) -> datetime:
    """The next full hour, or in another week its Monday morning."""
    if begin == this:
        return here.replace(tzinfo=None, minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return datetime.combine(begin, time(9))


def _scopes(environment: Environment, viewer: User) -> list[tuple[str, str]]:
    """What the viewer may reserve there: the whole, and each target."""
    whole = [(environment.name, f"all of {environment.name}")]
    found = whole if locks.allows(viewer, access.LOCK, locks.of_environment(environment)) else []
    rows = Target.objects.filter(environment=environment).select_related("application", "environment")
    targets = [row for row in rows.order_by("application__name")[:MOST] if access.allows(viewer, access.LOCK, row)]
    return found + [(row.slug, row.application.name) for row in targets]


def _entries(environment: Environment, viewer: User, begin: datetime, end: datetime) -> Iterator[Entry]:
    here = Q(environment=None) | Q(environment=environment)
    teams = teams_of(viewer)
    booked = locks.reservations().filter(here, locks.visible(viewer), starts__lt=end, ends__gt=begin)
    shown = booked.exclude(how__in=(BookingEnd.CANCELLED, BookingEnd.OVER, BookingEnd.GONE))
    for row in shown.order_by("starts", "pk")[:MOST]:
        mine = row.team_id in teams if row.team_id else row.holder_id == viewer.pk
        words = row.get_how_display() if row.how else "has begun" if row.began_at else ""
        ends = row.ended_at if row.ended_at and row.starts < row.ended_at < row.ends else row.ends
        may = row.began_at is None and row.ended_at is None
        may = may and (mine or locks.allows(viewer, access.TAKE_LOCKS, locks.of_row(row)))
        changed, tone = row if may else None, "over" if row.how else "mine" if mine else ""
        yield Entry(row.starts, ends, row.place, row.holder_name, row.reason, words, tone, mine, changed)
    held = locks.held().filter(here, locks.visible(viewer), machines_only=False, reservation=None, since__lt=end)
    for lock in held.select_related("team").order_by("since")[:MOST]:
        if lock.until is None or lock.until > begin:
            yield _of_lock(lock, lock.team_id in teams if lock.team_id else lock.holder_id == viewer.pk)


def _of_lock(lock: Lock, mine: bool) -> Entry:
    words = "locked" if lock.until else "locked without an end"
    return Entry(lock.since, lock.until, lock.place, lock.holder_name, lock.reason, words, "lock", mine)


def _day(day: date, entries: Sequence[Entry], place: ZoneInfo, now: datetime) -> Day:
    begin, end = _midnight(day, place), _midnight(day + timedelta(days=1), place)
    lanes: list[datetime] = []
    pieces = []
    for entry in sorted(entries, key=lambda one: (one.starts, one.place)):
        ends = entry.ends or end
        if entry.starts >= end or ends <= begin:
            continue
        since, until = max(entry.starts, begin), min(ends, end)
        lane = next((n for n, taken in enumerate(lanes) if taken <= since), len(lanes))
        lanes[lane : lane + 1] = [until]
        x, width = _percent(since, begin, end), _percent(begin + (until - since), begin, end)
        times = _tell_times(entry, begin, end, place)
        pieces.append(Piece(entry, x, width, lane * LANE, times, entry.starts >= begin or day.weekday() == 0))
    hours = [(f"{hour}", datetime.combine(day, time(hour), place).astimezone(UTC)) for hour in TICKS]
    return Day(
        day=day,
        today=begin <= now < end,
        pieces=pieces,
        height=max(1, len(lanes)) * LANE - (LANE - BAR),
        ticks=[(name, _percent(at, begin, end)) for name, at in hours],
        now=_percent(now, begin, end) if begin <= now < end else "",
    )


def _percent(at: datetime, begin: datetime, end: datetime) -> str:
    """Of a day that has 23 hours or 25, too."""
    return f"{100 * (at - begin) / (end - begin):.2f}%"


def _tell_times(entry: Entry, begin: datetime, end: datetime, place: ZoneInfo) -> str:
    since = f"{entry.starts.astimezone(place):%H:%M}" if entry.starts >= begin else ""
    until = f"{entry.ends.astimezone(place):%H:%M}" if entry.ends and entry.ends < end else ""
    if since and until:
        return f"{since} to {until}"
    return f"from {since}" if since else f"until {until}" if until else "all day"


def _tell(entries: Sequence[Entry]) -> str:
    number = sum(entry.tone != "lock" for entry in entries)
    return "Nothing is reserved." if not number else f"{number} reservation{'s' if number > 1 else ''}."
