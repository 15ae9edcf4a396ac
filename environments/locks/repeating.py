"""When a reservation takes place: once, or each week at the same time of the day, whatever clocks do. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from environments.locks.ends import find_zone
from environments.locks.errors import WrongEnd

WEEK = timedelta(days=7)
MOST_TIMES = 53


def times_of(
    starts: datetime, ends: datetime, *, zone: str, weekly_until: date | None
) -> list[tuple[datetime, datetime]]:
    """Start and end of each time, in UTC; `weekly_until` is the last day on which one may begin, in `zone`.

    Raises WrongEnd.
    """
    if ends <= starts:
        raise WrongEnd("A reservation ends after it starts. Nothing was booked.")
    if weekly_until is None:
        return [(starts.astimezone(UTC), ends.astimezone(UTC))]
    if ends - starts > WEEK:
        raise WrongEnd("A reservation for each week lasts at most a week. Nothing was booked.")
    found = list(_weekly(starts, ends, zone, weekly_until))
    if not found:
        raise WrongEnd("The last week is before the first. Nothing was booked.")
    if len(found) > MOST_TIMES:
        raise WrongEnd("A reservation repeats for at most a year. Nothing was booked; choose an earlier last day.")
    return found


def _weekly(starts: datetime, ends: datetime, zone: str, last: date) -> Iterator[tuple[datetime, datetime]]:
    """The clock there shows the same each week: so an hour more or less lies between two where it is put forward.

    A time that the clock leaves out is an hour later; of one that it shows twice it is the first.
    """
    place = find_zone(zone)
    here, there = (at.astimezone(place).replace(tzinfo=None) for at in (starts, ends))
    for week in range(MOST_TIMES + 1):
        begin, end = here + week * WEEK, there + week * WEEK
        if begin.date() > last:
            return
        first = begin.replace(tzinfo=place).astimezone(UTC)
        until = end.replace(tzinfo=place).astimezone(UTC)
        yield first, until if until > first else first + (ends - starts)
