"""Sending what waits for a channel, and what becomes of it."""

import logging

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from notifications import announcements, delivering, events
from notifications.announcements import WORDS, Announcement
from notifications.channels import kinds
from notifications.channels.letters import Asked, ChannelRefused, Letter, TryAgain
from notifications.models import Channel, Delivery
from notifications.sealed import CannotOpen, unseal

log = logging.getLogger(__name__)
TEST = "This is a test from the Deployer"


def send_waiting(channel_id: int) -> None:
    """Everything that waits for this channel and is due, in order, unless another sender is at it."""
    claim = delivering.claim(channel_id)
    if not claim:
        return
    try:
        while (delivery := delivering.next_of(channel_id)) and delivering.renew(channel_id, claim):
            if not send_one(delivery):
                return
    finally:
        delivering.let_go(channel_id, claim)


def send_one(delivery: Delivery) -> bool:
    """Whether the next one may follow at once."""
    channel = delivery.channel
    try:
        send(channel, letter_of(delivery))
    except TryAgain as error:
        delivering.note_failed(delivery, str(error), after=error.after)
        return False
    except (ChannelRefused, CannotOpen) as error:
        stop(channel, str(error))
        delivering.note_refused(delivery, str(error))
        return False
    except Exception as error:
        # whatever a library or a lying server brings about: that announcement is tried again, and no other overtakes it
        log.exception("An announcement to %s ended in a way that nobody foresaw.", channel.name)
        delivering.note_failed(delivery, f"It went wrong here ({type(error).__name__}).", after=None)
        return False
    delivering.note_sent(delivery)
    return True


def send(channel: Channel, letter: Letter) -> None:
    """Raises NotDelivered, CannotOpen."""
    kinds.find(channel.kind).send(asked_of(channel), letter)


def send_test(channel: Channel, *, by: str) -> None:
    """One text, now, whatever is routed there. Raises NotDelivered, CannotOpen."""
    shown = announcements.example(WORDS["deploy.begins"], base=settings.BASE_URL)
    text = announcements.clean(f"{TEST}, asked for by {by}: {shown.text(channel.templates)}", announcements.LONGEST)
    send(channel, Letter(id=f"test-{channel.pk}", word="test", text=text, fields=shown.fields))


def stop(channel: Channel, why: str) -> None:
    """Nothing is sent there until a person has mended it; its owner is told, once."""
    with transaction.atomic():
        if Channel.objects.filter(pk=channel.pk, stopped=False).update(stopped=True, trouble=why, trouble_at=Now()):
            events.record("channel.stopped", name=channel.name, reason=why, to=[channel.owner] if channel.owner else [])


def asked_of(channel: Channel) -> Asked:
    """Raises CannotOpen."""
    return Asked(channel.settings, unseal(channel.secret), channel.pk)


def letter_of(delivery: Delivery) -> Letter:
    event = delivery.event
    found = announcements.of_event(event, base=settings.BASE_URL) or Announcement(WORDS["deploy.begins"], {})
    return Letter(
        id=str(delivery.pk),
        word=delivery.word,
        text=delivery.text,
        fields=found.fields,
        deploy=event.deploy,
        at=event.at,
    )
