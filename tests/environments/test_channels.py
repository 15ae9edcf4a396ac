"""Channels as they are set up: by pages and API, with the same rules; their secrets come out of neither."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from pytest_django import Settings

from environments import access
from environments.channels import keeping
from environments.channels.errors import ChannelTaken, ChannelWrong, NotStopped, TestFailed
from environments.channels.keeping import Plan
from environments.channels.routing import Routing
from environments.models import Role, User
from environments.sealed import unseal
from notifications.models import Channel, Event
from tests import builders
from tests.notifications.channel_builders import SECRET, happen, make_channel
from tests.notifications.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db
FORM = {"kind": "web-hook", "name": "releases", "address": "https://hooks.example/x", "secret": SECRET}


@pytest.fixture(autouse=True)
def at_home(settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "private"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR, first_name="Ada", last_name="Marsh")


@pytest.fixture
def client(ada: User) -> Client:
    found = Client()
    found.force_login(ada)
    return found


@pytest.fixture
def api(ada: User) -> Any:
    """`api("post", "/channels", {…})`."""
    token = builders.make_token(user=ada)

    def ask(method: str, path: str, body: Any = None) -> Any:
        data = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return getattr(Client(), method)(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"}, **data)

    return ask


def plan(**said: Any) -> Plan:
    facts = {"kind": "web-hook", "name": "releases", "settings": {"address": "https://hooks.example/x"}}
    return Plan(**({**facts, "secret": SECRET} | said))


def test_it_is_kept_sealed_and_its_owner_is_who_made_it(ada: User) -> None:
    made = keeping.add(plan(), by=ada)
    row = Channel.objects.get(pk=made.pk)
    assert SECRET not in row.secret
    assert unseal(row.secret) == SECRET
    assert row.owner == "ada"
    assert Event.objects.get(kind="channel.added").facts["name"] == "releases"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "pigeon"}, "kind"),
    ({"name": "No Name"}, "name"),
    ({"settings": {"address": "ftp://hooks.example"}}, "address"),
    ({"settings": {"address": "https://ada:pw@hooks.example"}}, "address"),
    ({"secret": "short"}, "secret"),
    ({"secret": "whsec_!!!!!!!!!!!!"}, "secret"),
    ({"routing": Routing(applications=["nowhere"])}, "applications"),
    ({"routing": Routing(environments=["nowhere"])}, "environments"),
    ({"routing": Routing(kinds=["gossip"])}, "kinds"),
    ({"routing": Routing(outcomes=["maybe"])}, "outcomes"),
    ({"routing": Routing(templates={"gossip": "x"})}, "templates"),
    ({"routing": Routing(templates={"deploy.begins": "{nobody}"})}, "templates.deploy.begins"),
    ({"owner": "nobody"}, "owner"),
]


@pytest.mark.parametrize(("said", "field"), WRONG)
def test_what_cannot_be_is_not_saved(said: dict[str, Any], field: str, ada: User) -> None:
    with pytest.raises(ChannelWrong) as refused:
        keeping.add(plan(**said), by=ada)
    assert list(refused.value.problems) == [field]
    assert not Channel.objects.exists()


def test_http_only_where_private_addresses_are_allowed(ada: User, settings: Settings) -> None:
    settings.CHANNEL_ADDRESSES = "public"
    with pytest.raises(ChannelWrong, match="must begin with https"):
        keeping.add(plan(settings={"address": "http://hooks.example"}), by=ada)


def test_a_name_is_given_once(ada: User) -> None:
    keeping.add(plan(), by=ada)
    with pytest.raises(ChannelTaken):
        keeping.add(plan(), by=ada)


def test_who_is_no_administrator_does_nothing() -> None:
    grace = builders.make_user(role=Role.DEPLOYER)
    channel = make_channel(address="https://hooks.example")
    for verb in (
        lambda: keeping.add(plan(name="other"), by=grace),
        lambda: keeping.change(channel, plan(), by=grace),
        lambda: keeping.resume(channel, by=grace),
        lambda: keeping.try_out(channel, by=grace),
        lambda: keeping.remove(channel, by=grace),
    ):
        with pytest.raises(access.NotAllowed):
            verb()
    assert Channel.objects.count() == 1


def test_a_stored_secret_does_not_follow_to_another_address(ada: User) -> None:
    channel = keeping.add(plan(), by=ada)
    with pytest.raises(ChannelWrong, match="Type the credential anew"):
        keeping.change(channel, plan(settings={"address": "https://evil.example"}, secret=None), by=ada)
    keeping.change(channel, plan(secret=None, routing=Routing(kinds=["deploy"])), by=ada)
    channel.refresh_from_db()
    assert (unseal(channel.secret), channel.kinds) == (SECRET, ["deploy"])


def test_a_test_arrives_or_says_why_not(ada: User, receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    keeping.try_out(channel, by=ada)
    said = json.loads(receiver.taken[0].body)
    assert said["type"] == "test"
    assert said["data"]["text"].startswith("This is a test from the Deployer, asked for by Ada Marsh: mobile-api/")
    receiver.status = 404
    with pytest.raises(TestFailed, match="answers 404"):
        keeping.try_out(channel, by=ada)
    channel.refresh_from_db()
    assert not channel.stopped, "a test stops nothing"


def test_one_that_stopped_is_resumed_once(ada: User) -> None:
    channel = make_channel(stopped=True, trouble="It answers 404.")
    keeping.resume(channel, by=ada)
    with pytest.raises(NotStopped):
        keeping.resume(channel, by=ada)
    assert not Channel.objects.get().trouble


def test_by_pages(client: Client, receiver: Receiver) -> None:
    builders.make_target(
        application=builders.make_application(name="mobile-api"), environment=builders.make_environment(name="staging")
    )
    assert b"No channels yet" in client.get("/settings/channels").content
    form = FORM | {"address": receiver.address, "environments": "staging", "text-deploy.begins": "{ref} goes out"}
    looked = client.post("/settings/channels/add", form | {"act": "look"})
    assert b"intlrelease goes out" in looked.content
    assert not Channel.objects.exists()
    assert client.post("/settings/channels/add", form).status_code == 302
    channel = Channel.objects.get()
    assert (channel.environments, channel.templates) == (["staging"], {"deploy.begins": "{ref} goes out"})
    wrong = client.post("/settings/channels/of/releases", FORM | {"text-deploy.begins": "{nobody}"})
    assert wrong.status_code == 422
    assert b"{nobody} is unknown there" in wrong.content
    tested = client.post("/settings/channels/of/releases/test")
    assert "A test went to releases" in str(next(iter(get_messages(tested.wsgi_request))))
    happen()
    page = client.get("/settings/channels/of/releases/deliveries").content.decode()
    assert "intlrelease goes out" in page
    for address in ("", "/of/releases", "/of/releases/deliveries"):
        assert SECRET not in client.get(f"/settings/channels{address}").content.decode()
    assert client.post("/settings/channels/of/releases/remove").status_code == 302
    assert not Channel.objects.exists()


def test_by_the_api(api: Any, receiver: Receiver) -> None:
    said = {"name": "releases", "kind": "web-hook", "settings": {"address": receiver.address}, "secret": SECRET}
    made = api("post", "/channels", said | {"kinds": ["deploy"]})
    assert made.status_code == 201, made.content
    assert api("post", "/channels", said).json()["kind"] == "taken"
    assert api("post", "/channels", said | {"name": "x", "kinds": ["gossip"]}).json()["kind"] == "wrong-values"
    assert api("post", "/channels/releases/test").status_code == 204
    receiver.status = 500
    refused = api("post", "/channels/releases/test")
    assert (refused.status_code, refused.json()["kind"]) == (409, "channel")
    assert "answers 500" in refused.json()["detail"]
    happen()
    (row,) = api("get", "/channels/releases/deliveries").json()["items"]
    assert (row["word"], row["state"], row["deploy"]) == ("deploy.begins", "waiting", 7)
    listed = api("get", "/channels")
    assert SECRET not in listed.content.decode()
    changed = api("put", "/channels/releases", {"settings": {"address": receiver.address}, "outcomes": ["failed"]})
    assert changed.json()["outcomes"] == ["failed"]
    assert api("post", "/channels/releases/resume").status_code == 409
    assert api("delete", "/channels/releases").status_code == 204
    assert api("get", "/channels/releases/deliveries").status_code == 404


def test_pages_cost_the_same_however_much_was_sent(client: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        make_channel(name=f"room-{number}")
    for _ in range(30):
        happen()
    for address in ("", "/of/room-1", "/of/room-1/deliveries"):
        with django_assert_max_num_queries(15):
            assert client.get(f"/settings/channels{address}").status_code == 200
