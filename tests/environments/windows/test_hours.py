"""Windows over both changes of the clock, over midnight, in hours that come twice or not at all."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from environments.windows.hours import Window, is_open, next_opening, spans, tell_days

DAILY = (1, 2, 3, 4, 5, 6, 7)
LONDON, BERLIN, YORK = "Europe/London", "Europe/Berlin", "America/New_York"
HOWE, KATHMANDU, APIA = "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"


def window(words: str, zone: str, days: tuple[int, ...] = DAILY) -> Window:
    opens, closes = words.split("-")
    return Window(days, time.fromisoformat(opens), time.fromisoformat(closes), zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opened(one: Window, day: str) -> str:
    """When the window of this day is open, in UTC."""
    span = one.on(datetime.fromisoformat(day).date())
    return f"{span[0]:%d %H:%M}-{span[1]:%d %H:%M}" if span else "never"


@pytest.mark.parametrize(
    ("words", "zone", "day", "expected"),
    [
        ("09:00-17:00", BERLIN, "2026-03-28", "28 08:00-28 16:00"),
        ("09:00-17:00", BERLIN, "2026-03-29", "29 07:00-29 15:00"),
        ("01:30-02:30", BERLIN, "2026-03-29", "29 00:30-29 01:00"),  # the clock goes from 2 to 3
        ("02:30-03:30", BERLIN, "2026-03-29", "29 01:00-29 01:30"),
        ("02:00-03:00", BERLIN, "2026-03-29", "never"),
        ("02:15-02:45", BERLIN, "2026-03-29", "never"),
        ("22:00-04:00", BERLIN, "2026-03-28", "28 21:00-29 02:00"),  # five hours long
        ("02:00-03:00", BERLIN, "2026-10-25", "25 00:00-25 02:00"),  # the clock goes from 3 to 2, so it comes twice
        ("02:15-02:45", BERLIN, "2026-10-25", "25 00:15-25 01:45"),
        ("01:00-02:30", BERLIN, "2026-10-25", "24 23:00-25 01:30"),
        ("22:00-04:00", BERLIN, "2026-10-24", "24 20:00-25 03:00"),  # seven hours long
        ("01:00-02:00", LONDON, "2026-03-29", "never"),
        ("02:00-03:00", YORK, "2026-03-08", "never"),
        ("01:30-03:30", YORK, "2026-03-08", "08 06:30-08 07:30"),
        ("01:00-02:00", YORK, "2026-11-01", "01 05:00-01 07:00"),
        ("09:00-17:00", YORK, "2026-11-02", "02 14:00-02 22:00"),
        ("09:00-17:00", KATHMANDU, "2026-11-02", "02 03:15-02 11:15"),
        ("02:00-02:30", HOWE, "2026-10-04", "never"),  # the clock changes by half an hour
        ("02:15-03:00", HOWE, "2026-10-04", "03 15:30-03 16:00"),
        ("01:30-02:00", HOWE, "2026-04-05", "04 14:30-04 15:30"),
        ("00:00-00:00", BERLIN, "2026-10-25", "24 22:00-25 23:00"),  # a whole day of 25 hours
        ("09:00-17:00", APIA, "2011-12-30", "never"),  # a day that was left out
    ],
)
def test_what_the_clock_on_the_wall_says(words: str, zone: str, day: str, expected: str) -> None:
    assert opened(window(words, zone), day) == expected


@pytest.mark.parametrize("zone", [LONDON, BERLIN, YORK, HOWE, KATHMANDU, "America/St_Johns", "UTC"])
@pytest.mark.parametrize("words", ["09:00-17:00", "22:00-04:00", "01:15-02:45", "00:00-00:00"])
def test_it_is_open_whenever_the_clock_shows_a_time_within(zone: str, words: str) -> None:
    one = window(words, zone)
    around = [utc(day) for day in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31")]
    for moment in (day + timedelta(minutes=30 * n) for day in around for n in range(2 * 24 * 2)):
        shown = moment.astimezone(ZoneInfo(zone)).time()
        begun, not_over = one.opens <= shown, shown < one.closes
        within = (begun and not_over) if one.opens < one.closes else (begun or not_over)
        assert not within or is_open([one], moment), moment


def test_the_next_opening() -> None:
    weekdays = window("09:00-17:00", BERLIN, (1, 2, 3, 4, 5))
    assert next_opening([weekdays], utc("2026-03-27T15:59")) == utc("2026-03-27T15:59")
    assert next_opening([weekdays], utc("2026-03-27T16:00")) == utc("2026-03-30T07:00")  # Friday evening, summer after
    saturday = window("10:00-12:00", YORK, (6,))
    assert next_opening([weekdays, saturday], utc("2026-03-27T16:00")) == utc("2026-03-28T14:00")
    left_out = window("02:00-03:00", BERLIN, (7,))
    assert next_opening([left_out], utc("2026-03-23T00:00")) == utc("2026-04-05T00:00")  # not in the hour left out
    assert next_opening([], utc("2026-03-23T00:00")) == utc("2026-03-23T00:00")


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    friday = window("22:00-04:00", LONDON, (5,))
    assert is_open([friday], utc("2026-01-03T03:59"))
    assert not is_open([friday], utc("2026-01-03T04:00"))
    assert not is_open([friday], utc("2026-01-02T03:00"))


def test_windows_that_touch_are_one_span() -> None:
    early, late = window("22:00-00:00", "UTC", (1,)), window("00:00-02:00", "UTC", (2,))
    found = spans([late, early], utc("2026-01-05T00:00"), utc("2026-01-12T00:00"))
    assert found == [(utc("2026-01-05T22:00"), utc("2026-01-06T02:00"))]


@pytest.mark.parametrize(
    ("days", "words"), [(DAILY, "every day"), ((1, 2, 3, 4, 5), "Mon-Fri"), ((1, 3), "Mon, Wed"), ((6, 7), "Sat, Sun")]
)
def test_days_in_words(days: tuple[int, ...], words: str) -> None:
    assert tell_days(days) == words


def test_it_is_stored_as_it_was_said() -> None:
    one = window("09:00-17:30", BERLIN, (1, 2))
    assert Window.of(one.facts()) == one
    assert one.facts() == {"days": [1, 2], "from": "09:00", "to": "17:30", "zone": BERLIN}
    assert one.words == "Mon, Tue 09:00-17:30 Europe/Berlin"
