"""When a lock ends by a preset: on the clock of whoever locks, also in nights in which that is put forward or back."""

from datetime import UTC, datetime, time, timedelta

import pytest

from environments.locks import PRESETS, WrongEnd, read_end
from environments.locks.ends import DURATIONS

# Clocks change in Berlin on 28 March and 31 October 2027, in New York on 14 March and 7 November, on Lord Howe (by half
# an hour) on 4 April, in Kolkata never.
ENDS = [
    ("Europe/Berlin", "2027-03-27 16:00", "18:00", "2027-03-27 17:00"),
    ("Europe/Berlin", "2027-03-27 18:00", "18:00", "2027-03-28 16:00"),  # that day ends an hour earlier
    ("Europe/Berlin", "2027-10-30 17:00", "18:00", "2027-10-31 17:00"),
    ("Europe/Berlin", "2027-03-28 00:30", "02:30", "2027-03-28 01:30"),  # is left out: 03:30 it is
    ("Europe/Berlin", "2027-03-28 01:20", "02:30", "2027-03-28 01:30"),  # 03:20 there, the end is to come
    ("Europe/Berlin", "2027-10-31 00:10", "02:30", "2027-10-31 00:30"),  # the first of two
    ("Europe/Berlin", "2027-10-31 00:40", "02:30", "2027-10-31 01:30"),  # the first is over
    ("Europe/Berlin", "2027-10-31 01:10", "02:30", "2027-10-31 01:30"),
    ("Europe/Berlin", "2027-10-31 01:40", "02:30", "2027-11-01 01:30"),
    ("America/New_York", "2027-03-13 23:30", "18:00", "2027-03-14 22:00"),
    ("America/New_York", "2027-11-06 22:30", "18:00", "2027-11-07 23:00"),
    ("Australia/Lord_Howe", "2027-04-03 08:00", "18:00", "2027-04-04 07:30"),
    ("Asia/Kolkata", "2027-03-28 12:30", "18:00", "2027-03-29 12:30"),
    ("nowhere", "2027-03-28 17:59", "18:00", "2027-03-28 18:00"),
    ("", "2027-03-28 18:00", "18:00", "2027-03-29 18:00"),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "now", "day_ends", "end"), ENDS)
def test_a_working_day_ends_on_the_clock_of_the_person(zone: str, now: str, day_ends: str, end: str) -> None:
    found = read_end("day-end", now=utc(now), zone=zone, day_ends=time.fromisoformat(day_ends))
    assert found == utc(end)


@pytest.mark.parametrize(
    ("zone", "chosen", "end"),
    [
        ("Europe/Berlin", "2027-03-27T12:00", "2027-03-27 11:00"),
        ("Europe/Berlin", "2027-03-28T12:00", "2027-03-28 10:00"),
        ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28 01:30"),
        ("Europe/Berlin", "2027-10-31T02:30", "2027-10-31 00:30"),
        ("Asia/Kolkata", "2027-10-31T02:30", "2027-10-30 21:00"),
        ("Asia/Kolkata", "2027-10-31T02:30+02:00", "2027-10-31 00:30"),
    ],
)
def test_a_date_is_read_on_the_clock_of_the_browser(zone: str, chosen: str, end: str) -> None:
    now = utc("2027-01-01 00:00")
    assert read_end("date", now=now, zone=zone, chosen=chosen, day_ends=time(18)) == utc(end)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", ""])
def test_hours_are_hours_whatever_clocks_do(zone: str) -> None:
    for now in (utc("2027-03-27 23:30"), utc("2027-10-30 23:30")):
        for preset, length in DURATIONS.items():
            end = read_end(preset, now=now, zone=zone, day_ends=time(18))
            assert end
            assert end - now == length
    assert read_end("never", now=now, zone=zone, day_ends=time(18)) is None


@pytest.mark.parametrize("preset", ["", "3h", "date", *(name.upper() for name in PRESETS)])
def test_another_preset_is_none(preset: str) -> None:
    with pytest.raises(WrongEnd):
        read_end(preset, now=utc("2027-01-01 00:00") + timedelta(0), chosen="soon", day_ends=time(18))
