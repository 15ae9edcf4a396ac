"""Announcements from the event to the other side: written with it, sent in order, retried, given up, stopped."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from notifications import courier, delivering, sending
from notifications.metrics.samples import Sample
from notifications.models import Channel, Delivery, Event, Message
from tests.measured import said
from tests.measured import samples as samples
from tests.notifications.channel_builders import SECRET, happen, lock, make_channel
from tests.notifications.receiver import Receiver, receiving

S = Delivery.State
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_home(settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "private"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def texts(receiver: Receiver) -> list[str]:
    return [json.loads(taken.body)["data"]["text"] for taken in receiver.taken]


def make_due() -> None:
    """As if the time of the next try had come."""
    Delivery.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.both_databases
def test_it_is_written_with_its_event_and_undone_with_it() -> None:
    make_channel()
    with transaction.atomic():
        happen()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    event = happen()
    assert [(row.event_id, row.word, row.state) for row in Delivery.objects.all()] == [
        (event.pk, "deploy.begins", "waiting")
    ]


ROUTED: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"applications": ["mobile-api", "shop"]}, True),
    ({"applications": ["shop"]}, False),
    ({"environments": ["staging"]}, True),
    ({"environments": ["production"]}, False),
    ({"kinds": ["deploy"]}, True),
    ({"kinds": ["rollback"]}, False),
    ({"outcomes": ["begins"]}, True),
    ({"outcomes": ["failed"]}, False),
    ({"stopped": True}, False),
]


@pytest.mark.parametrize(("routing", "wanted"), ROUTED)
def test_it_goes_where_it_is_routed(routing: dict[str, Any], wanted: bool) -> None:
    make_channel(**routing)
    happen()
    assert Delivery.objects.exists() is wanted


def test_outcomes_say_nothing_of_locks() -> None:
    make_channel(outcomes=["failed"])
    lock()
    assert [row.word for row in Delivery.objects.all()] == ["locked"]


def test_it_arrives_signed_and_in_order(receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    happen("deploy.succeeded")
    sending.send_waiting(channel.pk)
    assert texts(receiver) == [
        "mobile-api/intlrelease (6957bb87) is being deployed to staging by Ada Marsh",
        "mobile-api/intlrelease successfully deployed to staging",
    ]
    for taken in receiver.taken:
        signed = f"{taken.headers['webhook-id']}.{taken.headers['webhook-timestamp']}.".encode() + taken.body
        wanted = b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert taken.headers["webhook-signature"] == f"v1,{wanted}"
    assert {row.state for row in Delivery.objects.all()} == {"sent"}
    channel.refresh_from_db()
    assert channel.sent_at is not None
    assert channel.claim == ""


def test_a_secret_of_standard_webhooks_is_base64(receiver: Receiver) -> None:
    key = b64encode(b"twenty-four bytes of it!").decode()
    channel = make_channel(address=receiver.address, secret=f"whsec_{key}")
    happen()
    sending.send_waiting(channel.pk)
    (taken,) = receiver.taken
    signed = f"{taken.headers['webhook-id']}.{taken.headers['webhook-timestamp']}.".encode() + taken.body
    found = b64decode(taken.headers["webhook-signature"].removeprefix("v1,"))
    assert found == hmac.new(b"twenty-four bytes of it!", signed, hashlib.sha256).digest()


@pytest.mark.both_databases
def test_only_one_sends_to_a_channel(receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    held = delivering.claim(channel.pk)
    assert held
    assert delivering.claim(channel.pk) == ""
    assert delivering.due_channels() == []
    sending.send_waiting(channel.pk)
    assert receiver.taken == []
    # its holder was killed: the claim lapses
    Channel.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert delivering.due_channels() == [channel.pk]
    sending.send_waiting(channel.pk)
    assert len(receiver.taken) == 1
    assert not delivering.renew(channel.pk, held), "who was taken for dead sends no more"


def test_what_failed_is_tried_again_later_and_nothing_overtakes_it(receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    happen("deploy.succeeded")
    receiver.status = 500
    sending.send_waiting(channel.pk)
    first, second = Delivery.objects.order_by("pk")
    assert (first.state, first.tries, second.tries) == ("waiting", 1, 0)
    assert first.next_try_at > timezone.now() + timedelta(seconds=5)
    channel.refresh_from_db()
    assert "answers 500" in channel.trouble
    receiver.status = 200
    sending.send_waiting(channel.pk)
    assert len(receiver.taken) == 1, "its time has not come"
    make_due()
    sending.send_waiting(channel.pk)
    assert texts(receiver)[1:] == [first.text, second.text]
    channel.refresh_from_db()
    assert channel.trouble == ""


def test_the_same_announcement_has_the_same_id_in_every_try(receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    receiver.status = 503
    sending.send_waiting(channel.pk)
    make_due()
    sending.send_waiting(channel.pk)
    one, other = receiver.taken
    assert one.headers["webhook-id"] == other.headers["webhook-id"]


def test_it_is_tried_ever_more_seldom() -> None:
    make_channel()
    happen()
    waits = []
    for tries in range(12):
        Delivery.objects.update(tries=tries)
        delivering.note_failed(Delivery.objects.get(), "away", after=None)
        waits.append((Delivery.objects.get().next_try_at - timezone.now()).total_seconds())
    rounded = [round(wait) for wait in waits]
    assert rounded == [10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800, 1800]


@pytest.mark.parametrize("dated", [False, True])
def test_who_says_when_to_come_again_is_believed(dated: bool, receiver: Receiver) -> None:
    when = timezone.now() + timedelta(seconds=150)
    after = when.strftime("%a, %d %b %Y %H:%M:%S GMT") if dated else "120"
    channel = make_channel(address=receiver.address)
    happen()
    receiver.status, receiver.headers = 429, {"Retry-After": after}
    sending.send_waiting(channel.pk)
    wait = (Delivery.objects.get().next_try_at - timezone.now()).total_seconds()
    assert 60 < wait <= 150


def test_a_year_is_too_long() -> None:
    make_channel()
    happen()
    delivering.note_failed(Delivery.objects.get(), "busy", after=1e9)
    assert Delivery.objects.get().next_try_at < timezone.now() + timedelta(hours=25)


@pytest.mark.both_databases
def test_after_a_day_it_is_given_up(receiver: Receiver) -> None:
    make_channel(address=receiver.address)
    happen()
    Delivery.objects.update(made_at=timezone.now() - timedelta(hours=23, minutes=59))
    delivering.give_up_old()
    assert Delivery.objects.get().state == S.WAITING
    Delivery.objects.update(made_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert delivering.due_channels() == []
    assert Delivery.objects.get().state == S.GIVEN_UP


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_what_will_never_be_taken_stops_the_channel_and_its_owner_is_told(status: int, receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    happen("deploy.succeeded")
    receiver.status, receiver.headers = status, {"Location": "/elsewhere"}
    sending.send_waiting(channel.pk)
    channel.refresh_from_db()
    assert channel.stopped
    assert [row.state for row in Delivery.objects.order_by("pk")] == ["refused", "waiting"]
    assert len(receiver.taken) == 1
    told = Message.objects.get()
    assert (told.to, told.event.kind) == ("ada", "channel.stopped")
    assert delivering.due_channels() == []
    happen()
    assert Delivery.objects.count() == 2, "nothing is gathered for a channel that has stopped"


def test_an_inner_address_stops_it_unless_the_setting_allows_it(settings: Settings, receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address.replace("http:", "https:"))
    happen()
    settings.CHANNEL_ADDRESSES = "public"
    sending.send_waiting(channel.pk)
    channel.refresh_from_db()
    assert channel.stopped
    assert "127.0.0.1, which is not asked from here. CHANNEL_ADDRESSES=public" in channel.trouble
    assert receiver.taken == []


def test_a_secret_that_does_not_open_stops_it(receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    Channel.objects.update(secret="gAAAAA-of-other-keys")
    happen()
    sending.send_waiting(channel.pk)
    channel.refresh_from_db()
    assert "ENCRYPTION_KEYS" in channel.trouble


def test_what_nobody_foresaw_harms_no_other_channel(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    monkeypatch.setattr(sending, "send", lambda *_: 1 / 0)
    sending.send_waiting(channel.pk)
    assert Delivery.objects.get().error == "It went wrong here (ZeroDivisionError)."


def test_what_ended_long_ago_is_removed(receiver: Receiver) -> None:
    make_channel()
    happen()
    happen("deploy.succeeded")
    old = Delivery.objects.order_by("pk")[0]
    Delivery.objects.filter(pk=old.pk).update(state=S.SENT)
    Delivery.objects.update(made_at=timezone.now() - timedelta(days=31))
    assert delivering.prune() == 1
    assert Delivery.objects.get().state == S.WAITING
    assert Event.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_dead_server_costs_whoever_deploys_nothing(receiver: Receiver, eventually: Any) -> None:
    """Fault row R37 in small: events are written while every courier hangs, and asks nobody."""
    receiver.drips = True
    for number in range(3):
        make_channel(name=f"hangs-{number}", address=receiver.address)
    happen()
    courier.look()
    eventually(lambda: len(receiver.taken) == 3)
    began = timezone.now()
    happen("deploy.succeeded")
    assert timezone.now() - began < timedelta(seconds=2)
    assert Delivery.objects.filter(word="deploy.succeeded").count() == 3
    receiver.over.set()
    eventually(lambda: not courier._busy)


@pytest.mark.django_db(transaction=True)
def test_each_try_is_counted(receiver: Receiver, samples: list[Sample]) -> None:
    channel = make_channel(address=receiver.address)
    happen()
    for status in (500, 200):
        receiver.status = status
        make_due()
        sending.send_waiting(channel.pk)
    assert [key[1:] for key in said(samples)] == [("web-hook", "failed"), ("web-hook", "sent")]
