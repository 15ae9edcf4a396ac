"""Slack, by a bot through slack-sdk and by an incoming web hook; nobody is called by what a branch is named."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from notifications import sending, slack
from notifications.channels.letters import Asked
from notifications.models import Channel, Delivery, Posted
from tests.notifications.channel_builders import happen, lock, make_channel
from tests.notifications.receiver import receiving
from tests.notifications.slack_server import TOKEN, Slack, speaking_slack

pytestmark = pytest.mark.django_db
BEGINS = "mobile-api/intlrelease (6957bb87) is being deployed to staging by Ada Marsh"
DONE = "mobile-api/intlrelease successfully deployed to staging"


@pytest.fixture
def server(settings: Settings) -> Iterator[Slack]:
    with speaking_slack() as found:
        settings.SLACK_API = found.address
        yield found


@pytest.fixture
def room(server: Slack) -> Channel:
    return make_channel(kind="slack", settings={"room": "#releases"}, secret=TOKEN)


def state() -> Any:
    return [(row.state, row.error) for row in Delivery.objects.order_by("pk")]


def test_one_message_per_deploy_is_edited_as_it_goes(room: Channel, server: Slack) -> None:
    happen()
    sending.send_waiting(room.pk)
    assert server.threads() == [(BEGINS, [])]
    happen("deploy.succeeded")
    lock()
    sending.send_waiting(room.pk)
    locked = "mobile-api/staging is locked by Ada Marsh until 29 Nov 15:00 UTC: demo for the board"
    assert server.threads() == [(DONE, [DONE]), (locked, [])]
    assert {row.state for row in Delivery.objects.all()} == {"sent"}


def test_what_somebody_removed_is_written_anew(room: Channel, server: Slack) -> None:
    happen()
    sending.send_waiting(room.pk)
    server.messages.clear()
    happen("deploy.succeeded")
    sending.send_waiting(room.pk)
    assert server.threads() == [(DONE, [])]
    assert Posted.objects.get().stamp == next(iter(server.messages))


@pytest.mark.parametrize("by", ["bot", "hook"])
def test_nobody_is_called(by: str, room: Channel, server: Slack, settings: Settings) -> None:
    happen(ref="<!channel> <@U123> *x* & <https://evil|click>")
    wanted = "mobile-api/&lt;!channel&gt; &lt;@U123&gt; *x* &amp; &lt;https://evil|click&gt; (6957bb87)"
    if by == "bot":
        sending.send_waiting(room.pk)
        (said,) = server.messages.values()
    else:
        settings.CHANNEL_ADDRESSES = "private"
        with receiving() as receiver:
            hook = make_channel(name="hook", kind="slack-hook", secret=receiver.address)
            happen(ref="<!channel> <@U123> *x* & <https://evil|click>")
            sending.send_waiting(hook.pk)
            said = json.loads(receiver.taken[0].body)
    assert said["text"].startswith(wanted)
    assert said["mrkdwn"] in (False, "0", "False", "false")


def test_too_many_means_later(room: Channel, server: Slack) -> None:
    happen()
    server.refuse.append((429, {"Retry-After": "90"}, b'{"ok": false, "error": "ratelimited"}'))
    sending.send_waiting(room.pk)
    row = Delivery.objects.get()
    assert (row.state, row.error) == ("waiting", "Slack answers 429: ratelimited.")
    assert timedelta(seconds=60) < row.next_try_at - timezone.now() <= timedelta(seconds=90)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, b"<html>away</html>", "Slack answers 503"),
        (200, b"not JSON at all", "Slack"),
        (200, b'{"ok": false, "error": "fatal_error"}', "Slack answers 200: fatal_error."),
        (200, b'{"ok": false, "error": "<script>lies</script>"}', "what it says is no answer of Slack"),
    ],
)
def test_one_that_is_ill_or_lies_is_asked_again(
    status: int, body: bytes, why: str, room: Channel, server: Slack
) -> None:
    happen()
    server.refuse.append((status, {}, body))
    sending.send_waiting(room.pk)
    row = Delivery.objects.get()
    assert row.state == "waiting"
    assert why in row.error
    assert "lies<" not in row.error
    assert not Channel.objects.get().stopped


@pytest.mark.parametrize("wrong", ["token", "room"])
def test_what_slack_refuses_stops_the_channel(wrong: str, server: Slack) -> None:
    said: dict[str, dict[str, Any]] = {
        "token": {"secret": "xoxb-of-somebody-else"},
        "room": {"settings": {"room": "#nowhere"}},
    }
    facts: dict[str, Any] = {"settings": {"room": "#releases"}, "secret": TOKEN} | said[wrong]
    channel = make_channel(kind="slack", **facts)
    happen()
    sending.send_waiting(channel.pk)
    channel.refresh_from_db()
    assert channel.stopped
    assert {"token": "invalid_auth", "room": "channel_not_found"}[wrong] in channel.trouble
    assert "xoxb" not in channel.trouble


def test_where_nobody_listens_it_is_tried_again(settings: Settings, server: Slack, room: Channel) -> None:
    settings.SLACK_API = "http://127.0.0.1:9/api/"
    happen()
    sending.send_waiting(room.pk)
    assert state() == [("waiting", "Slack cannot be reached (URLError).")]


@pytest.mark.parametrize(
    ("room", "secret", "field"),
    [
        ("#releases", "xoxp-1234567890-abc", "secret"),
        ("#releases", "", "secret"),
        ("releases", TOKEN, "room"),
        ("#a <b>", TOKEN, "room"),
    ],
)
def test_what_cannot_be(room: str, secret: str, field: str) -> None:
    assert list(slack.BOT.check(Asked({"room": room}, secret))) == [field]
    assert not slack.BOT.check(Asked({"room": "#releases"}, TOKEN))
