"""When a lock is to end, as people choose it: by a preset, in their own time zone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from environments.locks.errors import WrongEnd

PRESETS = {
    "1h": "for 1 hour",
    "2h": "for 2 hours",
    "4h": "for 4 hours",
    "8h": "for 8 hours",
    "day-end": "until the end of my working day",
    "1d": "for a day",
    "date": "until a time that I choose",
    "never": "without an end",
}
DURATIONS = {name: timedelta(hours=hours) for name, hours in (("1h", 1), ("2h", 2), ("4h", 4), ("8h", 8), ("1d", 24))}


def read_end(preset: str, *, now: datetime, chosen: str = "", zone: str = "", day_ends: time) -> datetime | None:
    """The end that a preset means, for somebody in `zone`; None for never.

    `chosen` is a date and time as a browser's field gives it, in that zone. Raises WrongEnd.
    """
    place = find_zone(zone)
    if preset in DURATIONS:
        return now + DURATIONS[preset]
    if preset == "never":
        return None
    if preset == "day-end":
        return _next(day_ends, now.astimezone(place))
    if preset == "date":
        try:
            at = datetime.fromisoformat(chosen)
        except ValueError:
            raise WrongEnd(f"{chosen[:40]!r} is no date and time. Nothing was changed.") from None
        return (at if at.tzinfo else at.replace(tzinfo=place)).astimezone(UTC)
    raise WrongEnd("Choose how long. Nothing was changed.")


def _next(at: time, here: datetime) -> datetime:
    """The next time that the clock there shows `at`; compared in UTC, for on some nights it shows an hour twice."""
    for days in (0, 1):
        day = here + timedelta(days=days)
        for fold in (0, 1):
            found = day.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0, fold=fold).astimezone(UTC)
            if found > here:
                return found
    raise AssertionError("No clock is put back by a day.")


def find_zone(name: str) -> ZoneInfo:
    """The browser's time zone, or the one of times without a browser."""
    try:
        return ZoneInfo(name if 0 < len(name) < 64 else settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(settings.TIME_ZONE)
