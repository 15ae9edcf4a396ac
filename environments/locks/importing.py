"""A spreadsheet of reservations, as CSV: each line is booked by the verb itself, and all of them or none.

To look at a sheet first is to do the same and take it back.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat, Trim

from environments.access import NotAllowed
from environments.locks.booking import book
from environments.locks.ends import find_zone
from environments.locks.errors import LockError, WrongWords
from environments.locks.scopes import find
from environments.models import Team, User

COLUMNS = ("scope", "from", "to", "who", "reason")
NEEDED = ("scope", "from", "to", "reason")
MOST_LINES = 200
MOST_CHARACTERS = 100_000


class WrongSheet(LockError):
    """It is no such sheet at all, or is too long."""


@dataclass(slots=True)
class Line:
    """One line of a sheet; `error` says why it cannot be booked."""

    number: int
    cells: dict[str, str]
    error: str = ""


def preview(text: str, *, by: User, zone: str) -> list[Line]:
    """What would become of each line; nothing is booked. Raises WrongSheet."""
    return _run(text, by, zone, keep=False)


def import_sheet(text: str, *, by: User, zone: str) -> list[Line]:
    """Book all lines, or none where one has an error. Raises WrongSheet."""
    return _run(text, by, zone, keep=True)


def _run(text: str, by: User, zone: str, *, keep: bool) -> list[Line]:
    lines = list(_read(text))
    with transaction.atomic():
        for line in lines:
            line.error = _book(line, by, zone)
        if not keep or any(line.error for line in lines):
            transaction.set_rollback(True)
    return lines


def _read(text: str) -> Iterator[Line]:
    """Raises WrongSheet."""
    text = text.lstrip("\ufeff")
    if len(text) > MOST_CHARACTERS:
        raise WrongSheet("The sheet is too long. Nothing was booked; bring it in in parts.")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise WrongSheet(f"This is no CSV ({error}). Nothing was booked.") from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    lacking = [name for name in NEEDED if name not in names]
    if lacking or len(set(names)) < len(names):
        raise WrongSheet(
            f"The first line names the columns, each once: {', '.join(COLUMNS)}. "
            f"{'It lacks ' + ', '.join(lacking) + '. ' if lacking else ''}Nothing was booked."
        )
    found = [(number, row) for number, row in enumerate(rows[1:], 2) if any(cell.strip() for cell in row)]
    if not found:
        raise WrongSheet("The sheet has no line but the first. Nothing was booked.")
    if len(found) > MOST_LINES:
        raise WrongSheet(f"The sheet has {len(found)} lines; bring in at most {MOST_LINES} at a time.")
    for number, row in found:
        cells = dict(zip(names, (cell.strip() for cell in row), strict=False))
        yield Line(number, {name: cells.get(name, "") for name in COLUMNS}, "")


def _book(line: Line, by: User, zone: str) -> str:
    """Why it cannot be; "" where it is booked."""
    cells = line.cells
    try:
        holder, team = _who(cells["who"], by)
        book(
            find(cells["scope"], viewer=by),
            by=by,
            starts=_time(cells["from"], zone),
            ends=_time(cells["to"], zone),
            reason=cells["reason"],
            holder=holder,
            team=team,
            zone=zone,
        )
    except (LockError, NotAllowed) as refusal:
        return str(refusal).replace(" Nothing was booked.", "").replace(" Nothing was changed.", "")
    return ""


def _time(text: str, zone: str) -> datetime:
    """Raises WrongWords."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or ":" not in text:
        raise WrongWords(f"{text[:40]!r} is no date and time. Write it as 2026-12-01 09:00.")
    return (at if at.tzinfo else at.replace(tzinfo=find_zone(zone))).astimezone(UTC)


def _who(name: str, by: User) -> tuple[User | None, Team | None]:
    """A user name, a full name, or the name of a team; without one it is whoever brings the sheet in."""
    if not name:
        return by, None
    people = User.objects.filter(is_active=True)
    whole = Trim(Concat("first_name", Value(" "), "last_name"))
    named = list(people.filter(username__iexact=name)[:1]) or list(people.annotate(whole=whole).filter(whole=name)[:9])
    if len(named) == 1:
        return named[0], None
    team = Team.objects.filter(name=name).first()
    if team is None or named:
        what = f"{len(named)} people are" if named else "Nobody and no team is"
        raise WrongWords(f"{what} called {name[:100]!r}. Write the user name.")
    members = team.members.filter(is_active=True).order_by("username")
    return (by if members.filter(pk=by.pk).exists() else members.first()), team
