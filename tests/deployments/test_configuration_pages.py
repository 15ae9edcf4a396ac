"""The page of a target's configuration: what it shows, what it costs, and what a click changes."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import lifecycle
from deployments.models import Kind
from deployments.page_queries.home import read_home
from deployments.refusals import NothingToReconfigure
from deployments.runs import release_of
from environments.configuration import changing, merging
from environments.configuration.delivering import Delivery
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, Host, Membership, Role, Target, User
from tests import builders
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request

pytestmark = pytest.mark.django_db
CANARY = "canary-3Kd8-page"
PAGE = "/shop/staging/configuration"


@pytest.fixture
def target() -> Target:
    made = builders.make_target(
        application=builders.make_application(name="shop"), environment=builders.make_environment(name="staging")
    )
    builders.make_host(name="web-1", environment=made.environment, zone=builders.make_zone(region="eu", zone="a"))
    return made


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.MAINTAINER)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, address: str = PAGE) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_it_shows_what_a_host_gets_and_from_where(target: Target, ada: User) -> None:
    changing.set_value(Scope(target.application), "GREETING", "for all", by=ada)
    changing.set_value(Scope(Host.objects.get()), "GREETING", "for one", by=ada)
    client = client_of(ada)
    assert "for all" in text_of(client)
    shown = text_of(client, f"{PAGE}?host=web-1")
    assert 'title="host web-1"' in shown
    assert "for one" in shown
    assert client.get(f"{PAGE}?host=nowhere").status_code == 404
    assert client.get(f"{PAGE}?other=nowhere").status_code == 404


def test_a_secret_is_typed_once_and_never_shown(target: Target, ada: User) -> None:
    client = client_of(ada)
    for name, place in (("TOKEN", "target:shop/staging"), ("TOKEN", "zone:eu/a")):
        form = {"name": name, "value": CANARY, "secret": "yes", "place": place, "host": "web-1"}
        assert client.post(f"{PAGE}/set", form).headers["Location"] == f"{PAGE}?host=web-1"
    wrong = client.post(f"{PAGE}/set", {"name": "PATH", "value": CANARY, "secret": "yes", "place": "target:"})
    assert wrong.status_code == 422
    assert "PATH cannot be set" in wrong.content.decode()
    builders.make_deploy(target=target)
    pages = [PAGE, f"{PAGE}?host=web-1", "/shop/staging/", "/", "/activity", "/activity?kind=configuration.set"]
    answers = [wrong, *(client.get(page) for page in pages)]
    assert not [answer for answer in answers if CANARY in answer.content.decode()]
    assert "secret</span>" in text_of(client)


def test_what_was_typed_stays_when_it_is_refused(target: Target, ada: User) -> None:
    form = {"name": "A", "value": "typed\x07", "place": "target:shop/staging"}
    assert "typed" in client_of(ada).post(f"{PAGE}/set", form).content.decode()
    assert not ConfigurationValue.objects.exists()


def test_lines_come_as_they_were_meant(target: Target, ada: User) -> None:
    client_of(ada).post(f"{PAGE}/set", {"name": "A", "value": "a\r\nb\r\n", "place": "target:"})
    assert ConfigurationValue.objects.get().text == "a\nb\n"


def test_clicks_remove_undo_and_say_where_it_lies(target: Target, ada: User) -> None:
    changing.set_value(Scope(target), "A", "one", by=ada)
    client = client_of(ada)
    client.post(f"{PAGE}/remove", {"name": "A", "place": "target:shop/staging"})
    newest = ConfigurationValue.objects.get(latest=True)
    assert newest.is_removed
    client.post(f"{PAGE}/undo/{newest.pk}")
    assert ConfigurationValue.objects.get(latest=True).text == "one"
    client.post(f"{PAGE}/delivery", {"env": ".env", "json": "", "files": "a.conf\r\n\r\nb.conf\r\n"})
    target.refresh_from_db()
    assert Delivery.of(target) == Delivery(".env", "", ("a.conf", "b.conf"))
    assert "/etc/passwd" in client.post(f"{PAGE}/delivery", {"env": "/etc/passwd"}, follow=True).content.decode()


def test_two_environments_stand_beside_each_other(target: Target, ada: User) -> None:
    other = builders.make_target(
        application=target.application, environment=builders.make_environment(name="production")
    )
    changing.set_value(Scope(other), "URL", "https://shop.example", by=ada)
    changing.set_value(Scope(other), "TOKEN", CANARY, secret=True, by=ada)
    shown = text_of(client_of(ada), f"{PAGE}?other=production")
    assert "https://shop.example" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEPLOYER])
def test_others_look_and_change_nothing(role: str, target: Target) -> None:
    changing.set_value(Scope(target), "A", "seen", by=None)
    client = client_of(builders.make_user(role=role))
    shown = text_of(client)
    assert "seen" in shown
    assert "Set a value" not in shown
    for act in ("set", "remove", "undo/1", "delivery"):
        assert client.post(f"{PAGE}/{act}", {"name": "A", "place": "target:", "value": "x"}).status_code == 403
    assert ConfigurationValue.objects.get().text == "seen"


def test_a_thousand_hosts_and_a_long_history_cost_no_query_more(target: Target, ada: User) -> None:
    client = client_of(ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            text_of(client, f"{PAGE}?host=web-1")
        return len(seen)

    builders.make_deploy(target=target)
    changing.set_value(Scope(target), "A", "0", by=ada)
    few = queries()
    hosts = Host.objects.bulk_create(
        Host(name=f"many-{n}", address="127.0.0.1", zone=builders.make_zone(zone=f"z{n % 3}")) for n in range(1000)
    )
    Membership.objects.bulk_create(Membership(environment=target.environment, host=host) for host in hosts)
    for number in range(40):
        changing.set_value(Scope(target), "A", str(number + 1), by=ada)
        changing.set_value(Scope(hosts[number]), "B", str(number), by=ada)
    assert queries() == few
    assert few <= 15, few


def test_only_the_configuration_goes_out(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=2)
    with pytest.raises(NothingToReconfigure, match="Nothing is live"):
        lifecycle.deploy_configuration(place.target, by=place.by)
    first = end(request(place))
    lifecycle.end(first, "succeeded", "It succeeded.")
    with pytest.raises(NothingToReconfigure, match="live already"):
        lifecycle.deploy_configuration(place.target, by=place.by)
    changing.set_value(Scope(place.target), "A", "x", by=None)
    deploy = lifecycle.deploy_configuration(place.target, by=place.by)
    assert (deploy.kind, deploy.revision, deploy.of_id) == (Kind.CONFIGURATION, first.revision, first.pk)
    assert deploy.release_id != first.release_id
    assert release_of(deploy).configuration == {"upto": merging.newest_change(), "env": "", "json": "", "files": []}
    assert deploy.runs.count() == 2


@pytest.mark.parametrize("live_is", ["newer", "as it was"])
def test_a_configuration_that_waited_takes_nothing_newer_back(live_is: str, make_place: MakeFleetTarget) -> None:
    """It is of what was live when it was asked for, and another deploy ran meanwhile."""
    place = make_place(hosts=2)
    end(request(place, "v1"))
    running = request(place)
    changing.set_value(Scope(place.target), "A", "x", by=None)
    waits = lifecycle.deploy_configuration(place.target, by=place.by, wait=True)
    end(running) if live_is == "newer" else end(running, "failed", live=0)
    assert lifecycle.start_waiting(waits) == (live_is != "newer")
    waits.refresh_from_db()
    assert waits.status == ("cancelled" if live_is == "newer" else "running")
    if live_is == "newer":
        assert waits.reason.startswith(f"#{running.number} has gone live since, and this would take it back.")


def test_home_says_where_values_were_changed_since(target: Target, ada: User) -> None:
    builders.make_deploy(target=target)
    assert not read_home(user=ada).matrix.rows[0].cells[0].stale
    changing.set_value(Scope(target.environment), "A", "x", by=ada)
    assert read_home(user=ada).matrix.rows[0].cells[0].stale
    assert "new values" in text_of(client_of(ada), "/")
    assert "A change is not live yet" in text_of(client_of(ada), "/shop/staging/")
