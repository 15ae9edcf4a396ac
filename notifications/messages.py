"""Word to people: what an event says to those whom its fact `to` names. Kept here for pages and the API."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from notifications.models import Event, Message

KEPT_IN_SIGHT = timedelta(days=7)


def deliver(event: Event) -> None:
    """Write one message for each person, in the transaction of the event."""
    if names := addressed(event):
        Message.objects.bulk_create(Message(event=event, to=name) for name in names)


def addressed(event: Event) -> list[str]:
    """User names."""
    to = event.facts.get("to") if isinstance(event.facts, dict) else None
    names = to if isinstance(to, list) else [to]
    return sorted({name for name in names if isinstance(name, str) and name})


def messages_to(username: str, seen: Q | None = None) -> QuerySet[Message]:
    """The messages of the last days to somebody, the newest first; `seen`: of what they may view."""
    rows = Message.objects.filter(seen or Q(), to=username, event__at__gt=timezone.now() - KEPT_IN_SIGHT)
    return rows.select_related("event").order_by("-pk")
