"""Announcements on their way: written with the event, sent in order, one sender per channel at a time.

A row is written in the event's transaction, so that no announcement is lost and none is made of what did not happen.
Nothing of a channel is asked then: a server that is away costs whoever deploys no time.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from notifications import announcements, bell, metrics
from notifications.announcements import Announcement
from notifications.models import Channel, Delivery, Event

S = Delivery.State
CLAIM_SECONDS = 60.0  # longer than any try takes
GIVE_UP = timedelta(hours=24)
FIRST_WAIT, LONGEST_WAIT = 10.0, 1800.0  # seconds between two tries
KEPT = timedelta(days=30)
_PRUNED_AT_ONCE = 1000


def announce(event: Event) -> None:
    """Write what is to be sent because of this event, in its transaction."""
    found = announcements.of_event(event, base=settings.BASE_URL)
    if found is None:
        return
    channels = [channel for channel in Channel.objects.filter(stopped=False) if takes(channel, event, found)]
    if not channels:
        return
    Delivery.objects.bulk_create(
        Delivery(event=event, channel=channel, word=found.word.key, text=found.text(channel.templates))
        for channel in channels
    )
    transaction.on_commit(lambda: bell.ring([channel.pk for channel in channels]))


def takes(channel: Channel, event: Event, found: Announcement) -> bool:
    """Whether it is routed there. A lock of a whole environment, or of everything, concerns each application in it."""
    word = found.word
    return (
        _is_in(event.application, channel.applications)
        and _is_in(event.environment, channel.environments)
        and (not channel.kinds or word.kind in channel.kinds)
        and (not channel.outcomes or not word.outcome or word.outcome in channel.outcomes)
    )


def _is_in(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or not name or name in wanted


def due_channels() -> list[int]:
    """Where something can be sent now that nobody sends already."""
    give_up_old()
    waiting = Delivery.objects.filter(state=S.WAITING, next_try_at__lte=Now(), channel__stopped=False)
    return list(waiting.filter(_free("channel__")).order_by().values_list("channel", flat=True).distinct())


def give_up_old() -> None:
    """What could not be sent for a day is news no more."""
    old = Delivery.objects.filter(state=S.WAITING, made_at__lte=Now() - GIVE_UP)
    old.update(state=S.GIVEN_UP, ended_at=Now())


def claim(channel_id: int) -> str:
    """The word by which this sender alone sends there for a minute; "" where another does."""
    word = secrets.token_hex(16)
    free = Channel.objects.filter(_free(), pk=channel_id, stopped=False)
    return word if free.update(claim=word, claimed_until=_limit()) else ""


def renew(channel_id: int, claim: str) -> bool:
    """Whether the claim holds still; then for a minute from now."""
    return _claimed(channel_id, claim).update(claimed_until=_limit()) == 1


def let_go(channel_id: int, claim: str) -> None:
    _claimed(channel_id, claim).update(claim="", claimed_until=None)


def next_of(channel_id: int) -> Delivery | None:
    """The oldest that waits, if its time has come: what follows waits behind it, or news came out of order."""
    rows = Delivery.objects.select_related("event", "channel").filter(channel=channel_id, state=S.WAITING)
    first = rows.order_by("pk").first()
    return first if first and first.next_try_at <= timezone.now() and not first.channel.stopped else None


def note_sent(delivery: Delivery) -> None:
    with transaction.atomic():
        if _move(delivery, state=S.SENT, error="", ended_at=Now()):
            Channel.objects.filter(pk=delivery.channel_id).update(sent_at=Now(), trouble="", trouble_at=None)


def note_failed(delivery: Delivery, why: str, *, after: float | None) -> None:
    """It is tried again: `after` so many seconds as the other side wishes, or ever more seldom."""
    wait = min(FIRST_WAIT * 2 ** min(delivery.tries, 20), LONGEST_WAIT)
    seconds = wait if after is None else min(max(after, 1.0), GIVE_UP.total_seconds())
    with transaction.atomic():
        if _move(delivery, error=why, next_try_at=Now() + timedelta(seconds=seconds)):
            Channel.objects.filter(pk=delivery.channel_id).update(trouble=why, trouble_at=Now())


def note_refused(delivery: Delivery, why: str) -> None:
    """It will never be taken."""
    _move(delivery, state=S.REFUSED, error=why, ended_at=Now())


def prune() -> int:
    """Remove what ended a month ago; how many."""
    old = Delivery.objects.exclude(state=S.WAITING).filter(made_at__lte=Now() - KEPT).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:_PRUNED_AT_ONCE])
    return Delivery.objects.filter(pk__in=ids).delete()[0] if ids else 0


def _move(delivery: Delivery, **fields: object) -> bool:
    row = Delivery.objects.filter(pk=delivery.pk, state=S.WAITING)
    moved = row.update(tries=F("tries") + 1, **fields) == 1
    if moved:
        metrics.count("deliveries", kind=delivery.channel.kind, outcome=fields.get("state", "failed"))
    return moved


def _claimed(channel_id: int, claim: str) -> QuerySet[Channel]:
    return Channel.objects.filter(pk=channel_id, claim=claim).exclude(claim="")


def _limit() -> object:
    return Now() + timedelta(seconds=CLAIM_SECONDS)


def _free(prefix: str = "") -> Q:
    """Never claimed, let go, or lapsed; a claim that ends later than any can was given before the clock went back."""
    until = f"{prefix}claimed_until"
    return (
        Q(**{until: None})
        | Q(**{f"{until}__lte": Now()})
        | Q(**{f"{until}__gt": Now() + timedelta(seconds=2 * CLAIM_SECONDS)})
    )
