"""Locks in words, the same for pages, the API and refusals; and as events."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from environments.locks.errors import WrongWords
from environments.locks.scopes import Scope, of_row
from environments.models import Lock, LockKind, Reservation, User
from notifications import events

LONGEST = 300


def tell_end(until: datetime | None) -> str:
    """`until 29 Nov 15:00 UTC`, in the zone of times without a browser."""
    if until is None:
        return "without an end"
    return f"until {timezone.localtime(until):%d %b %H:%M %Z}"


def tell_who(lock: Lock) -> str:
    """`shop/staging is locked by Ada Marsh`, without its end and reason."""
    place = lock.place[0].upper() + lock.place[1:] if lock.place == "everything" else lock.place
    gone = ", who is no longer here" if lock.orphaned else ""
    if lock.machines_only:
        return f"{place} is closed to machines"
    if lock.offered:
        return f"{place} is offered to {lock.holder_name}{gone}"
    if lock.kind == LockKind.WARNING:
        return f"{lock.holder_name}{gone} asks for care with {lock.place}"
    return f"{place} is locked by {lock.holder_name}{gone}"


def tell(lock: Lock) -> str:
    """`shop/staging is locked by Ada Marsh until 29 Nov 15:00 UTC: demo for the board`."""
    return f"{tell_who(lock)} {tell_end(lock.until)}: {lock.reason.rstrip('. ')}"


def told(by: User | None) -> str:
    return by.full_name if by else "the Deployer"


def addressees(row: Lock | Reservation) -> str | list[str]:
    """Who is to hear what is said about it, by user names: its holder, or all of a team."""
    if row.team is not None:
        return sorted(row.team.members.values_list("username", flat=True))
    return row.holder.username if row.holder else ""


def read_reason(text: str, what: str) -> str:
    """The words of a person on one line. Raises WrongWords."""
    words = " ".join(text.split())
    if not words:
        raise WrongWords(f"Say {what}: others will read it. Nothing was changed.")
    if len(words) > LONGEST:
        raise WrongWords(f"Say in at most {LONGEST} characters {what}. Nothing was changed.")
    if not words.isprintable():
        raise WrongWords(f"Say in plain characters {what}. Nothing was changed.")
    return words


def record(kind: str, lock: Lock, *, by: User | None, **facts: Any) -> None:
    """An event about a lock, in the caller's transaction."""
    whose = {
        "by_name": told(by),
        "holder": lock.holder_name,
        "lock": lock.pk,
        "lock_kind": lock.kind,
        "reason": lock.reason,
    }
    until = {"until": lock.until.isoformat() if lock.until else "", "end": tell_end(lock.until)}
    say(kind, of_row(lock), by=by, **(whose | until | facts))


def say(kind: str, scope: Scope, *, by: User | None, **facts: Any) -> None:
    """An event about a scope, in the caller's transaction."""
    application, environment = scope.names
    events.record(
        kind,
        by.username if by else "",
        application=application,
        environment=environment,
        scope=scope.text,
        place=scope.place,
        **scope.endpoint,
        **facts,
    )
