"""The audit trail: what is asked for, read a page at a time from the newest on, whatever the history."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.db.models import Max, Min, QuerySet

from environments import sight
from environments.choices import DEPLOYER, Offered, offer
from environments.models import Environment, User
from environments.validation import NAME
from notifications.events import KINDS
from notifications.models import Event
from notifications.sentences import Told, tell

PAGE = 50
EXPORTED_MOST = 50_000
EXPORTED_AT_ONCE = 1_000
MOST_ID = 2**63 - 1
CHATTER = ("host_run.claimed", "worker.hears")  # what nobody asked about, unless they do
WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
FAMILIES = {
    "deploys": ("deploy.",),
    "hosts": ("host.", "host_run.", "fence."),
    "hooks": ("hook.",),
    "people": ("person.", "factor.", "signed_", "signin.", "signin_link.", "token.", "permission."),
    "settings": ("application.", "environment.", "region.", "zone.", "key.", "target."),
    "workers": ("worker.",),
}


class WrongFilter(ValueError):
    """A filter in the address is none; the text says which and what it may be."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for; empty means everything. `what` is a family or a kind, `since` and `until` are days."""

    person: str = ""
    application: str = ""
    environment: str = ""
    host: str = ""
    what: str = ""
    when: str = ""
    since: str = ""
    until: str = ""
    before: str = ""

    def address(self, **changes: str) -> str:
        """The query of an address with these filters."""
        values = {field.name: getattr(self, field.name) for field in fields(self)} | changes
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def narrowed(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self) if field.name != "before")


@dataclass(slots=True)
class Row:
    """One line of the trail."""

    event: Event
    told: Told
    who: str


@dataclass(slots=True)
class Day:
    """What happened on one day, UTC."""

    day: date
    rows: list[Row]


@dataclass(slots=True)
class Activity:
    """Everything that the page shows."""

    days: list[Day]
    before: str
    applications: Offered
    environments: list[str]
    people: Offered

    @property
    def rows(self) -> int:
        return sum(len(day.rows) for day in self.days)


def read_wanted(values: Mapping[str, Sequence[str]]) -> Wanted:
    """From an address: each name at most once, each value of its allow-list. Raises WrongFilter."""
    names = {field.name for field in fields(Wanted)}
    if unknown := sorted(set(values) - names):
        raise WrongFilter(f"{unknown[0][:40]!r} is no filter. Filters are {', '.join(sorted(names))}.")
    if double := [name for name, given in values.items() if len(given) > 1]:
        raise WrongFilter(f"{double[0]} is given twice. Give each filter once.")
    wanted = Wanted(**{name: given[0].strip() for name, given in values.items()})
    _check(wanted)
    return wanted


def _check(wanted: Wanted) -> None:
    for name in ("application", "environment", "host"):
        if not _matches(NAME, value := getattr(wanted, name)):
            raise WrongFilter(f"{value[:80]!r} is no name of {'an' if name != 'host' else 'a'} {name}.")
    if not _matches(r"[\w.@+() -]{1,150}", wanted.person):
        raise WrongFilter(f"{wanted.person[:80]!r} is no user name.")
    if wanted.what and wanted.what not in FAMILIES and wanted.what not in KINDS:
        raise WrongFilter(f"{wanted.what[:80]!r} is no kind of event. Kinds are {', '.join(FAMILIES)}, or one by name.")
    if wanted.when and wanted.when not in WINDOWS:
        raise WrongFilter(f"{wanted.when[:80]!r} is no time. Times are {', '.join(WINDOWS)}.")
    if not _matches(r"[1-9][0-9]{0,18}", wanted.before) or int(wanted.before or 1) > MOST_ID:
        raise WrongFilter("`before` is the number of an event.")
    for name in ("since", "until"):
        if value := getattr(wanted, name):
            _day(value, name)


def _matches(pattern: str, value: str) -> bool:
    return not value or re.fullmatch(pattern, value) is not None


def _day(text: str, name: str) -> date:
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise WrongFilter(f"{name}={text[:40]!r} is no day. Write it as 2026-11-29.") from None


def read_activity(wanted: Wanted, *, now: datetime, user: User | None = None) -> Activity:
    """A fixed number of queries; each by an index that ends in the event's number."""
    found = list(events_of(wanted, now=now, user=user)[: PAGE + 1])
    rows = build_rows(found[:PAGE])
    days: list[Day] = []
    for row in rows:
        day = row.event.at.astimezone(UTC).date()
        if not days or days[-1].day != day:
            days.append(Day(day, []))
        days[-1].rows.append(row)
    return Activity(
        days=days,
        before=str(found[PAGE - 1].pk) if len(found) > PAGE else "",
        applications=offer("applications", user),
        environments=list(Environment.objects.filter(sight.of_environments(user)).values_list("name", flat=True)),
        people=_offer_people(rows, user),
    )


def _offer_people(rows: Sequence[Row], user: User | None) -> Offered:
    """Everyone, for who sees everything; else those of whom this page tells."""
    if sight.sees_all(user):
        return offer("actors", user)
    actors = User.objects.filter(username__in={row.event.actor for row in rows}).order_by("username")
    named = actors.only("username", "first_name", "last_name")
    return Offered("actors", [DEPLOYER, *((it.username, it.full_name) for it in named)], True)


def events_of(wanted: Wanted, *, now: datetime, user: User | None = None) -> QuerySet[Event]:
    """The newest first. Times become numbers of events, so that one index serves both filter and order."""
    found = Event.objects.filter(sight.of_events(user)).order_by("-id")
    for name in ("application", "environment", "host"):
        if value := getattr(wanted, name):
            found = found.filter(**{name: value})
    if wanted.person:
        found = found.filter(actor="" if wanted.person == "deployer" else wanted.person)
    if wanted.what in FAMILIES:
        found = found.filter(kind__in=kinds_of(wanted.what))
    elif wanted.what:
        found = found.filter(kind=wanted.what)
    else:
        found = found.exclude(kind__in=CHATTER)
    if wanted.before:
        found = found.filter(id__lt=int(wanted.before))
    return _within(found, wanted, now)


def kinds_of(family: str) -> list[str]:
    """The kinds of a family, without chatter."""
    return sorted(kind for kind in KINDS if kind.startswith(FAMILIES[family]) and kind not in CHATTER)


def _within(found: QuerySet[Event], wanted: Wanted, now: datetime) -> QuerySet[Event]:
    since = now - WINDOWS[wanted.when] if wanted.when else None
    if wanted.since:
        since = datetime.combine(_day(wanted.since, "since"), time(), UTC)
    if since is not None:
        first = Event.objects.filter(at__gte=since).aggregate(first=Min("id"))["first"]
        found = found.filter(id__gte=first) if first is not None else found.none()
    if wanted.until:
        end = datetime.combine(_day(wanted.until, "until") + timedelta(days=1), time(), UTC)
        last = Event.objects.filter(at__lt=end).aggregate(last=Max("id"))["last"]
        found = found.filter(id__lte=last) if last is not None else found.none()
    return found


def build_rows(events: Sequence[Event]) -> list[Row]:
    """One query for the names of the people."""
    named = {event.actor for event in events} | {str(event.facts.get("user", "")) for event in events}
    people = User.objects.filter(username__in=named).only("username", "first_name", "last_name")
    names = {person.username: person.full_name for person in people}
    return [Row(event, tell(event, names), names.get(event.actor, event.actor)) for event in events]


EXPORTED = (
    *("number", "at", "kind", "who", "door", "address", "application", "environment", "host", "deploy", "sentence"),
)


def export_some(wanted: Wanted, *, now: datetime, most: int, user: User | None = None) -> tuple[list[list[str]], str]:
    """The next rows of an export, and what to give as `before` for those after them; "" when there are none."""
    found = list(events_of(wanted, now=now, user=user)[: min(EXPORTED_AT_ONCE, most)])
    rest = str(found[-1].pk) if len(found) == EXPORTED_AT_ONCE else ""
    return [_cells(row) for row in build_rows(found)], rest


def _cells(row: Row) -> list[str]:
    event = row.event
    at = event.at.astimezone(UTC).isoformat(timespec="seconds")
    deploy = str(event.deploy or "")
    where = [event.door, event.address, event.application, event.environment, event.host]
    return [str(event.pk), at, event.kind, event.actor, *where, deploy, row.told.text]
