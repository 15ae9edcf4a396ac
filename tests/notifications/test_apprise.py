"""Everything else through Apprise: it arrives, and its process speaks to nobody that it may not."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from notifications import sending
from notifications.channels import others
from notifications.channels.letters import Asked
from notifications.models import Channel, Delivery
from tests.notifications.channel_builders import happen, make_channel
from tests.notifications.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def sent(receiver: Receiver, scheme: str = "json", **facts: str) -> Delivery:
    place = receiver.address.removeprefix("http://")
    channel = make_channel(kind="apprise", settings={}, secret=f"{scheme}://ada:hunter2@{place}")
    happen(**facts)
    sending.send_waiting(channel.pk)
    return Delivery.objects.get()


def test_it_arrives_and_calls_nobody(receiver: Receiver, settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "private"
    row = sent(receiver, ref="@everyone [x](https://evil) <@U1>")
    assert (row.state, row.error) == ("sent", "")
    body = receiver.taken[0].body.decode("unicode_escape")
    assert "@everyone" not in body
    assert "](https" not in body
    assert "<@" not in body


def test_an_inner_address_is_not_asked(receiver: Receiver, settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "public"
    row = sent(receiver)
    assert row.state == "refused"
    assert "It would speak to 127.0.0.1, which is not asked from here." in row.error
    assert receiver.taken == []
    assert Channel.objects.get().stopped


def test_a_redirect_leads_nowhere(receiver: Receiver, settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "private"
    receiver.status, receiver.headers = 307, {"Location": receiver.address.replace("/deploys", "/inner")}
    row = sent(receiver)
    assert [taken.path for taken in receiver.taken] == ["/deploys"]
    assert row.state == "waiting"
    assert "hunter2" not in row.error


@pytest.mark.parametrize("url", ["", "nothing://at.all/", "syslog://", "dbus://", "https//x", "json://a b"])
def test_what_is_no_address_of_apprise(url: str) -> None:
    assert list(others.check(Asked({}, url))) == ["secret"]


def test_what_is_one() -> None:
    assert not others.check(Asked({}, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"))
