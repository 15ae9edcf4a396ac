"""Adding hosts, and trusting them: never without somebody having said so."""

import pytest

from environments import adding_hosts, host_lines
from environments.access import NotAllowed
from environments.adding_hosts import HostElsewhere, HostInUse, HostTaken
from environments.host_keys import KeyDiffers
from environments.host_lines import Place
from environments.models import Environment, Host, HostKey, Membership, Region, Role, User
from environments.places import WrongName
from notifications.models import Event
from tests import builders
from tests.environments.keys import make_key, trusted

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


def add(text: str, by: User, environment: str = "production") -> adding_hosts.Added:
    return adding_hosts.add_hosts(host_lines.read(text), environment=environment, by=by)


def test_hosts_get_names_an_environment_and_no_trust(ada: User) -> None:
    added = add("deploy@web-1.example.com\nops@10.0.0.7:2222 as second", ada)
    assert [(host.name, host.address, host.port, host.user) for host in added.new] == [
        ("web-1", "web-1.example.com", 22, "deploy"),
        ("second", "10.0.0.7", 2222, "ops"),
    ]
    assert added.environment.name == "production"
    assert Membership.objects.filter(environment=added.environment).count() == 2
    assert (HostKey.objects.count(), Region.objects.count()) == (0, 0)
    event = Event.objects.filter(kind="host.added").order_by("id").first()
    assert event is not None
    assert (event.actor, event.environment, event.facts["host"]) == ("ada", "production", "web-1")


def test_a_host_that_is_there_becomes_a_member_as_it_is(ada: User) -> None:
    there = builders.make_host(name="old-name", address="web-1", environment=Environment.objects.create(name="dev"))
    added = add("deploy@web-1 as other", ada)
    assert (added.hosts, added.new) == ([there], [])
    assert set(there.memberships.values_list("environment__name", flat=True)) == {"dev", "production"}
    add("deploy@web-1", ada)
    assert Event.objects.filter(kind="host.added").count() == 1


def test_a_bastion_needs_no_region_to_be_named(ada: User) -> None:
    added = add("via jump@bastion.example.com:2200\ndeploy@web-1\ndeploy@web-2", ada)
    region = Region.objects.get()
    assert region.gateway is not None
    assert (region.name, region.gateway.name, region.gateway.port, region.gateway_user) == (
        "via-bastion", "bastion", 2200, "jump"
    )  # fmt: skip
    assert {host.zone.region for host in added.hosts if host.zone} == {region}
    assert not region.gateway.memberships.exists()
    add("deploy@web-3 via jump@bastion.example.com:2200", ada)
    assert Region.objects.count() == 1


def test_a_host_that_stands_elsewhere_is_not_moved(ada: User) -> None:
    builders.make_host(name="web-1", address="web-1", zone=builders.make_zone())
    with pytest.raises(HostElsewhere, match="europe"):
        add("deploy@web-2\ndeploy@web-1 via jump@bastion", ada)
    assert list(Host.objects.values_list("name", flat=True)) == ["web-1"]
    assert not Environment.objects.exists()


def test_a_name_that_is_taken_is_refused(ada: User) -> None:
    builders.make_host(name="web-1", address="10.0.0.1")
    with pytest.raises(HostTaken, match="web-1"):
        add("deploy@10.0.0.2 as web-1", ada)
    assert add("deploy@web-1", ada).new[0].name == "web-1-22"


def test_an_environment_must_have_a_name_that_can_be(ada: User) -> None:
    with pytest.raises(WrongName):
        add("deploy@web-1", ada, environment="Pro duction")
    assert not Host.objects.exists()


def test_only_administrators_may(ada: User) -> None:
    host = add("deploy@web-1", ada).hosts[0]
    vera = builders.make_user(role=Role.DEPLOYER)
    place = Place("deploy", "web-9", 22)
    for verb in (
        lambda: add("deploy@web-2", vera),
        lambda: adding_hosts.change_host(host, place, by=vera),
        lambda: adding_hosts.take_out(host, Environment.objects.get(), by=vera),
        lambda: adding_hosts.trust(host, [make_key()], by=vera),
        lambda: adding_hosts.trust_known([host], "", by=vera),
    ):
        with pytest.raises(NotAllowed):
            verb()


class TestChange:
    def test_an_address_is_corrected_and_the_keys_stay(self, ada: User) -> None:
        host = add("deploy@web-1:1", ada).hosts[0]
        key = make_key()
        adding_hosts.trust(host, [key], by=ada)
        adding_hosts.change_host(host, Place("ops", "web-1", 22), by=ada)
        host.refresh_from_db()
        assert (host.user, host.port, trusted(host)) == ("ops", 22, {key.key})
        assert Event.objects.get(kind="host.changed").facts["before"] == "deploy@web-1:1"

    def test_it_does_not_become_another_host(self, ada: User) -> None:
        one, _ = add("deploy@web-1\ndeploy@web-2", ada).hosts
        with pytest.raises(HostTaken, match="web-2"):
            adding_hosts.change_host(one, Place("deploy", "web-2", 22), by=ada)

    def test_one_is_taken_out_and_forgotten(self, ada: User) -> None:
        added = add("deploy@web-1", ada)
        adding_hosts.take_out(added.hosts[0], added.environment, by=ada)
        assert not Host.objects.exists()
        assert Event.objects.get(kind="host.removed").facts["host"] == "web-1"

    def test_one_of_two_environments_keeps_it(self, ada: User) -> None:
        add("deploy@web-1", ada, environment="staging")
        added = add("deploy@web-1", ada)
        adding_hosts.take_out(added.hosts[0], added.environment, by=ada)
        assert Host.objects.get().memberships.count() == 1

    def test_the_way_to_others_stays(self, ada: User) -> None:
        add("deploy@web-1 via jump@bastion", ada)
        added = add("jump@bastion", ada)
        with pytest.raises(HostInUse, match="bastion"):
            adding_hosts.take_out(added.hosts[0], added.environment, by=ada)
        assert Membership.objects.filter(host=added.hosts[0]).exists()


class TestTrust:
    def test_another_key_takes_its_place_only_when_that_is_said(self, ada: User) -> None:
        host = add("deploy@web-1", ada).hosts[0]
        old, new = make_key(), make_key()
        adding_hosts.trust(host, [old], by=ada)
        with pytest.raises(KeyDiffers):
            adding_hosts.trust(host, [new], by=ada)
        assert trusted(host) == {old.key}
        adding_hosts.trust(host, [new], by=ada, replace=True)
        assert trusted(host) == {new.key}
        assert HostKey.objects.get().accepted_by == "ada"

    def test_a_known_hosts_file_speaks_for_those_it_names(self, ada: User) -> None:
        one, two = add("deploy@web-1\ndeploy@10.0.0.7:2222", ada).hosts
        key = make_key()
        named, unnamed = adding_hosts.trust_known([one, two], f"web-1 ssh-ed25519 {key.key}\n", by=ada)
        assert (named, unnamed, trusted(one), trusted(two)) == ([one], [two], {key.key}, set())

    def test_a_known_hosts_file_that_differs_changes_nothing(self, ada: User) -> None:
        one, two = add("deploy@web-1\ndeploy@web-2", ada).hosts
        old = make_key()
        adding_hosts.trust(two, [old], by=ada)
        text = f"web-1 ssh-ed25519 {make_key().key}\nweb-2 ssh-ed25519 {make_key().key}\n"
        with pytest.raises(KeyDiffers):
            adding_hosts.trust_known([one, two], text, by=ada)
        assert (trusted(one), trusted(two)) == (set(), {old.key})
