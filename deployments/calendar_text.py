"""Reservations as text/calendar (RFC 5545). Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from environments.models import Reservation

LONGEST = 75  # octets of a line, without its end


def write_calendar(rows: Iterable[Reservation], *, name: str, now: datetime, base: str) -> str:
    """A calendar with an event for each; `base` is the address of this installation."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Deployer//Reservations//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{escape(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        *(line for row in rows for line in _event(row, now, base)),
        "END:VCALENDAR",
    ]
    return "".join(f"{fold(line)}\r\n" for line in lines)


def _event(row: Reservation, now: datetime, base: str) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:reservation-{row.pk}@{urlsplit(base).hostname or 'deployer'}"
    yield f"DTSTAMP:{_time(now)}"
    yield f"DTSTART:{_time(row.starts)}"
    yield f"DTEND:{_time(row.ends)}"
    yield f"SUMMARY:{escape(f'{row.place}: {row.holder_name}')}"
    yield f"DESCRIPTION:{escape(row.reason)}"
    if row.environment is not None:
        yield f"URL:{base}/environments/{row.environment.name}/calendar?week={row.starts:%Y-%m-%d}"
    yield "END:VEVENT"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escape(text: str) -> str:
    """As a value of type TEXT; other control characters have no place in one."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return "".join(character for character in text if character == "\t" or (character >= " " and character != "\x7f"))


def fold(line: str) -> str:
    """Into lines of at most 75 octets, each but the first begun by a blank; no character is cut in two."""
    pieces, piece, size = [], "", 0
    for character in line:
        length = len(character.encode("utf-8", "replace"))
        if size + length > LONGEST:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + character, size + length
    return "\r\n".join([*pieces, piece])
