"""What was said to a person, with what one click can do about it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, FilteredRelation, OuterRef, Q, Subquery

from environments import access, locks, sight
from environments.models import Lock, User
from notifications.messages import messages_to
from notifications.models import Event
from notifications.sentences import tell

MOST = 10


@dataclass(slots=True)
class Told:
    """One message; `links` are addresses that act for its reader, by what they do."""

    id: int
    at: datetime
    kind: str
    text: str
    tone: str
    links: dict[str, str]


def read_messages(person: User, most: int = MOST) -> list[Told]:
    """The newest first. Three queries at most, with the rights of who is no administrator."""
    seen = None
    if not sight.sees_all(person):
        seen = access.visible(person, application="event__application", environment="event__environment", by_name=True)
    by = User.objects.filter(username=OuterRef("event__actor"))
    first, last = (Subquery(by.values(name)[:1]) for name in ("first_name", "last_name"))
    rows = list(messages_to(person.username, seen).annotate(first=first, last=last)[:most])
    standing, asked = _standing([row.event for row in rows])
    found = []
    for row in rows:
        actor = f"{row.first or ''} {row.last or ''}".strip() or row.event.actor
        told = tell(row.event, {row.event.actor: actor})
        links = _links(row.event, person, standing, asked)
        found.append(Told(row.pk, row.event.at, row.event.kind, told.text, told.tone, links))
    return found


def _standing(events: list[Event]) -> tuple[dict[int, Lock], set[int]]:
    """The locks that these are about and that are held, and the questions that have no answer. One query at most."""
    ids = {event.facts.get("lock", 0) for event in events if event.kind in locks.LINK_ACTS}
    if not ids:
        return {}, set()
    rows = locks.held().filter(pk__in=ids).select_related(*locks.RELATED)
    unanswered = FilteredRelation("questions", condition=Q(questions__answered_at=None))
    found = list(rows.annotate(unanswered=unanswered).annotate(asked=F("unanswered__pk")))
    return {lock.pk: lock for lock in found}, {lock.asked for lock in found}


def _links(event: Event, person: User, standing: dict[int, Lock], asked: set[int]) -> dict[str, str]:
    """Those that would work; a token that may not lock gets none, for a link asks for no token."""
    lock = standing.get(event.facts.get("lock", 0))
    if lock is None or (event.kind == "lock.asked" and event.facts.get("asked") not in asked):
        return {}
    if not locks.allows(person, access.LOCK, locks.of_row(lock)) or not locks.is_holder(lock, person):
        return {}
    return locks.links_of(event, to=person, lock=lock)
