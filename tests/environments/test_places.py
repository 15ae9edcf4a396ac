import pytest

from environments import places
from environments.access import NotAllowed
from environments.models import Environment, Region, Role, User, Zone
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


def order() -> list[str]:
    return list(Environment.objects.values_list("name", flat=True))


def test_environments_come_last_and_are_moved_a_place_at_a_time(ada: User) -> None:
    for name in ("dev", "staging", "production"):
        places.add_environment(name, by=ada)
    places.move_environment(Environment.objects.get(name="production"), by=ada, up=True)
    assert order() == ["dev", "production", "staging"]
    places.move_environment(Environment.objects.get(name="dev"), by=ada, up=False)
    assert order() == ["production", "dev", "staging"]
    places.move_environment(Environment.objects.get(name="staging"), by=ada, up=False)  # the last stays the last
    assert order() == ["production", "dev", "staging"]
    assert Event.objects.filter(kind="environment.moved").count() == 2


def test_those_that_share_a_position_are_moved_too(ada: User) -> None:
    for name in ("a", "b", "c"):
        builders.make_environment(name=name)
    places.move_environment(Environment.objects.get(name="c"), by=ada, up=True)
    assert order() == ["a", "c", "b"]


def test_only_an_empty_environment_is_removed(ada: User) -> None:
    target = builders.make_target(hosts=1)
    with pytest.raises(places.InUse, match="1 target and 1 host"):
        places.remove_environment(target.environment, by=ada)
    places.remove_environment(places.add_environment("empty", by=ada), by=ada)
    assert order() == [target.environment.name]


def test_names_are_checked_and_unique(ada: User) -> None:
    region = places.add_region("europe", by=ada)
    places.add_zone(region, "a", by=ada)
    places.add_environment("staging", by=ada)
    for again in (
        lambda: places.add_region("europe", by=ada),
        lambda: places.add_zone(region, "a", by=ada),
        lambda: places.add_environment("staging", by=ada),
    ):
        with pytest.raises(places.NameTaken):
            again()
    for wrong in ("", "Europe", "a b", "-a"):
        with pytest.raises(places.WrongName):
            places.add_region(wrong, by=ada)


def test_what_is_in_use_stays(ada: User) -> None:
    zone = builders.make_zone(region="europe", zone="a")
    builders.make_host(zone=zone)
    with pytest.raises(places.InUse):
        places.remove_zone(zone, by=ada)
    with pytest.raises(places.InUse):
        places.remove_region(zone.region, by=ada)
    assert Zone.objects.exists()
    empty = places.add_region("asia", by=ada)
    places.remove_zone(places.add_zone(empty, "a", by=ada), by=ada)
    places.remove_region(empty, by=ada)
    assert list(Region.objects.values_list("name", flat=True)) == ["europe"]


def test_a_region_is_reached_by_way_of_a_host_that_exists(ada: User) -> None:
    region = places.add_region("europe", by=ada)
    bastion = builders.make_host(name="bastion")
    places.change_region(region, queue="near", gateway="bastion", gateway_user="jump", by=ada)
    region.refresh_from_db()
    assert (region.queue, region.gateway, region.gateway_user) == ("near", bastion, "jump")
    for wrong in ({"gateway": "nowhere"}, {"queue": "Far Away"}, {"gateway_user": "a b"}):
        with pytest.raises(places.WrongName):
            places.change_region(region, **({"queue": "", "gateway": "", "gateway_user": "jump"} | wrong), by=ada)


def test_only_administrators_do_any_of_this() -> None:
    ben, zone = builders.make_user(role=Role.DEPLOYER), builders.make_zone()
    place = builders.make_environment()
    for act in (
        lambda: places.add_environment("x", by=ben),
        lambda: places.move_environment(place, by=ben, up=True),
        lambda: places.remove_environment(place, by=ben),
        lambda: places.add_region("x", by=ben),
        lambda: places.change_region(zone.region, queue="", gateway="", gateway_user="x", by=ben),
        lambda: places.remove_region(zone.region, by=ben),
        lambda: places.add_zone(zone.region, "x", by=ben),
        lambda: places.remove_zone(zone, by=ben),
        lambda: places.place_host(builders.make_host(), zone, by=ben),
    ):
        with pytest.raises(NotAllowed):
            act()
