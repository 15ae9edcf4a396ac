"""Links in messages about locks: one click, without signing in, does what the holder of the lock may do.

A link is signed, for one person, one message and one thing to do; it works once, for a day, and only as long as that
person holds that lock: the verbs ask again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from environments.locks.errors import LinkUnusable
from environments.locks.standing import RELATED, clock
from environments.models import Answer, Lock, LockQuestion, SpentLink, User
from notifications.messages import addressed
from notifications.models import Event

SALT = "a link in a message about a lock"
LIFE = timedelta(hours=24)
STEP = timedelta(hours=2)
"""What one click adds to a lock."""

# What can be done by a link of an event of each kind.
ACTS: Mapping[str, tuple[str, ...]] = {
    "lock.reminded": (Answer.EXTEND, Answer.RELEASE),
    "lock.asked": (Answer.RELEASE, Answer.EXTEND, Answer.NO),
}
_GONE = "Nothing was changed. Sign in and look at the page of locks."


@dataclass(frozen=True)
class Link:
    """What a link would do: `act` is release, extend or no."""

    event: Event
    person: User
    lock: Lock
    act: str
    question: LockQuestion | None

    @property
    def until(self) -> datetime | None:
        """To when it would be extended."""
        return self.lock.until + STEP if self.lock.until else None


def links_of(event: Event, *, to: User, lock: Lock) -> dict[str, str]:
    """The addresses that a message to `to` has, by what they do. A lock without an end cannot be extended."""
    acts = [act for act in ACTS.get(event.kind, ()) if act != Answer.EXTEND or lock.until is not None]
    return {act: reverse("lock-link", args=[_sign(event, to, act)]) for act in acts}


def _sign(event: Event, to: User, act: str) -> str:
    return signing.dumps([event.pk, to.pk, act], salt=SALT)


def read_link(token: str) -> Link:
    """What a link does, without doing it. Raises LinkUnusable."""
    try:
        event_id, person_id, act = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.SignatureExpired:
        raise LinkUnusable(f"This link is older than a day. {_GONE}") from None
    except (signing.BadSignature, ValueError, TypeError):
        raise LinkUnusable(f"This link opens nothing: a part of it is missing or was changed. {_GONE}") from None
    event = Event.objects.filter(pk=event_id, at__gt=timezone.now() - LIFE).first()
    person = User.objects.filter(pk=person_id, is_active=True).first()
    if event is None or person is None or person.username not in addressed(event):
        raise LinkUnusable(f"This link is older than a day, or is for nobody who is here. {_GONE}")
    return _link(event, person, act)


def _link(event: Event, person: User, act: str) -> Link:
    facts: dict[str, Any] = event.facts
    if SpentLink.objects.filter(event=event.pk, act=act).exists():
        raise LinkUnusable(f"This link was used already; each works once. {_GONE}")
    lock = Lock.objects.filter(pk=facts.get("lock", 0)).select_related(*RELATED).first()
    if lock is None or lock.released_at is not None or (lock.until is not None and lock.until <= clock()):
        raise LinkUnusable(f"The lock that this link is about has ended. {_GONE}")
    if event.kind != "lock.asked":
        return Link(event, person, lock, act, None)
    asked = LockQuestion.objects.filter(pk=facts.get("asked", 0), lock=lock, answered_at=None)
    question = asked.select_related("by", *(f"lock__{name}" for name in RELATED)).first()
    if question is None:
        raise LinkUnusable(f"This question was answered already. {_GONE}")
    return Link(event, person, lock, act, question)


def spend(link: Link) -> None:
    """Of many who use a link one does. In the transaction of what it does. Raises LinkUnusable."""
    SpentLink.objects.filter(spent_at__lt=timezone.now() - 2 * LIFE).delete()
    try:
        with transaction.atomic():
            SpentLink.objects.create(event=link.event.pk, act=link.act, spent_at=clock())
    except IntegrityError:
        raise LinkUnusable(f"This link was used already; each works once. {_GONE}") from None
