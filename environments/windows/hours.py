"""When an environment's clock shows a time at which deploys may go out. Pure: nothing here asks anybody.

A window opens at the first moment at which the clock of its zone shows its beginning, and closes at the last one at
which it shows its end. So where an hour comes twice the window lasts through both; of an hour that is left out
nothing remains, and a time within that hour means its end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = timedelta(days=1)
# a window of one weekday may fall into an hour that is left out, and then comes a week later
FARTHEST = timedelta(days=16)

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Window:
    """On these weekdays (1 is Monday), from `opens` to `closes`, or to that time of the next day if not later."""

    days: tuple[int, ...]
    opens: time
    closes: time
    zone: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Window":
        """From what is stored, which was checked when it was set."""
        opens, closes = time.fromisoformat(facts["from"]), time.fromisoformat(facts["to"])
        return cls(tuple(facts["days"]), opens, closes, facts["zone"])

    def facts(self) -> dict[str, Any]:
        """As it is stored, and as the API tells it."""
        times = {"from": self.opens.isoformat("minutes"), "to": self.closes.isoformat("minutes")}
        return {"days": list(self.days), **times, "zone": self.zone}

    @property
    def words(self) -> str:
        """`Mon-Fri 09:00-17:00 Europe/London`."""
        return f"{tell_days(self.days)} {self.opens:%H:%M}-{self.closes:%H:%M} {self.zone}"

    def on(self, day: date) -> Span | None:
        """When it is open that begins on this day; None where nothing is left of it."""
        if day.isoweekday() not in self.days:
            return None
        zone = ZoneInfo(self.zone)
        last = day + DAY if self.closes <= self.opens else day
        opens = _moment(datetime.combine(day, self.opens), zone, last=False)
        closes = _moment(datetime.combine(last, self.closes), zone, last=True)
        return (opens, closes) if opens < closes else None


def windows_of(stored: Iterable[Mapping[str, Any]]) -> list[Window]:
    return [Window.of(facts) for facts in stored]


def spans(windows: Sequence[Window], start: datetime, end: datetime) -> list[Span]:
    """All times from `start` to `end` at which one of the windows is open, in order, those that touch as one."""
    found: list[Span] = []
    for window in windows:
        zone = ZoneInfo(window.zone)
        day, last = start.astimezone(zone).date() - 2 * DAY, end.astimezone(zone).date()
        while day <= last:
            span = window.on(day)
            if span and span[0] < end and span[1] > start:
                found.append((max(span[0], start), min(span[1], end)))
            day += DAY
    return _joined(found)


def is_open(windows: Sequence[Window], at: datetime) -> bool:
    """Without a window, always."""
    return not windows or bool(spans(windows, at, at + timedelta(seconds=1)))


def next_opening(windows: Sequence[Window], at: datetime) -> datetime | None:
    """`at` itself where one is open then; None where none opens in the time to come."""
    if is_open(windows, at):
        return at
    found = spans(windows, at, at + FARTHEST)
    return found[0][0] if found else None


def tell_days(days: Sequence[int]) -> str:
    """`Mon-Fri`, `Mon, Wed`, `every day`."""
    if len(days) == len(WEEKDAYS):
        return "every day"
    runs: list[list[int]] = []
    for number in days:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(_tell_run(run) for run in runs)


def _tell_run(run: Sequence[int]) -> str:
    names = [WEEKDAYS[number - 1] for number in run]
    return f"{names[0]}-{names[-1]}" if len(names) > 2 else ", ".join(names)


def _joined(found: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _moment(shown: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """The first or last moment at which a clock of the zone shows this; the end of an hour that is left out."""
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) == shown:
        return second if last else first
    # it is left out: with the offset of before one lands behind the change, with that of after before it
    before, behind = sorted((first, second))
    offset = before.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = before + (behind - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            behind = middle
    return (behind + timedelta(milliseconds=500)).replace(microsecond=0)
