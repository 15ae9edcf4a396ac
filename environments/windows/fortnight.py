"""The next two weeks of an environment, day by day: when it is open, and when it is frozen. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from environments.models import Freeze
from environments.windows.hours import DAY, Span, Window, spans

DAYS = 14
HEIGHT = 96  # of a day as it is drawn, in units of its own


@dataclass(frozen=True)
class Bar:
    """A time within a day, as it is drawn: from the top, and how high."""

    top: int
    height: int


@dataclass(frozen=True)
class Day:
    """`opened` and `frozen` are times within it, as its own clock shows them; `now` is where it stands today."""

    date: date
    opened: tuple[Bar, ...]
    frozen: tuple[Bar, ...]
    told: str
    now: int | None

    @property
    def weekend(self) -> bool:
        return self.date.isoweekday() > 5


def read_fortnight(windows: Sequence[Window], freezes: Iterable[Freeze], *, now: datetime, zone: str) -> list[Day]:
    """From today on, as the days are in this zone. `freezes`: those that are about it."""
    place, closed = ZoneInfo(zone), [(row.starts, row.ends) for row in freezes]
    first = now.astimezone(place).date()
    return [_day(first + DAY * number, place, windows, closed, now) for number in range(DAYS)]


def _day(day: date, place: ZoneInfo, windows: Sequence[Window], closed: Sequence[Span], now: datetime) -> Day:
    start, end = (datetime.combine(at, time(), place).astimezone(UTC) for at in (day, day + DAY))
    opened = spans(windows, start, end) if windows else [(start, end)]
    frozen = [(max(one, start), min(other, end)) for one, other in closed if one < end and other > start]

    def place_of(at: datetime) -> int:
        return round((at - start) / (end - start) * HEIGHT)

    def bars(found: Iterable[Span]) -> tuple[Bar, ...]:
        return tuple(Bar(place_of(one), max(1, place_of(other) - place_of(one))) for one, other in found)

    def tell(found: Sequence[Span]) -> str:
        if list(found) == [(start, end)]:
            return "all day"
        return ", ".join(f"{one.astimezone(place):%H:%M}-{_clock(other, end, place)}" for one, other in found)

    told = f"open {tell(opened)}" if opened else "closed"
    if frozen:
        told += f"; frozen {tell(frozen)}"
    return Day(day, bars(opened), bars(frozen), told, place_of(now) if start <= now < end else None)


def _clock(at: datetime, end: datetime, place: ZoneInfo) -> str:
    return "24:00" if at == end else f"{at.astimezone(place):%H:%M}"
