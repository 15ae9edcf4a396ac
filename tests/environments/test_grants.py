"""Who may do what where: own role, grants to persons and teams, and what everyone may."""

from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from environments import access, granting, places, rights, teams
from environments.access import ADMINISTER, DEPLOY, MAINTAIN, SIGNED_IN, VIEW, NotAllowed
from environments.models import DefaultRoles, Environment, Grant, Role, Target, Team, User
from notifications.models import Event
from tests.builders import make_application, make_environment, make_target, make_user

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


class World:
    def __init__(self) -> None:
        self.shop, self.blog = make_application(name="shop"), make_application(name="blog")
        self.staging = make_environment(name="staging")
        self.production = make_environment(name="production", protected=True)
        cells = product((self.shop, self.blog), (self.staging, self.production))
        self.targets = {target.slug: target for target in (make_target(application=a, environment=e) for a, e in cells)}
        self.ada = make_user(username="ada", role=Role.ADMINISTRATOR)
        self.grace = make_user(username="grace", role=Role.VIEWER)
        self.guest = make_user(username="guest", role=Role.GUEST)

    def may(self, user: User, permission: str) -> set[str]:
        return {slug for slug, target in self.targets.items() if access.allows(user, permission, target)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def open_house(settings: Settings) -> None:
    settings.EVERYONE = Role.DEPLOYER


ALL = {"shop/staging", "shop/production", "blog/staging", "blog/production"}


def test_everyone_deploys_where_it_is_not_protected(world: World, open_house: None) -> None:
    assert world.may(world.grace, DEPLOY) == {"shop/staging", "blog/staging"}
    assert world.may(world.grace, VIEW) == ALL
    assert world.may(world.guest, VIEW) == set()  # guests are not everyone
    places.protect_environment(world.staging, by=world.ada, protected=True)
    assert world.may(world.grace, DEPLOY) == set()
    places.protect_environment(world.production, by=world.ada, protected=False)
    assert world.may(world.grace, DEPLOY) == {"shop/production", "blog/production"}


def test_what_everyone_may_is_not_about_whole_applications(world: World, open_house: None) -> None:
    """An application reaches into production too, and so does everything."""
    assert not access.allows(world.grace, DEPLOY, application=world.shop)
    assert not access.allows(world.grace, DEPLOY)
    assert access.allows(world.grace, DEPLOY, environment="staging")
    assert not access.allows(world.grace, DEPLOY, environment="production")
    assert access.allows_somewhere(world.grace, DEPLOY, application="shop")
    assert not access.allows_somewhere(world.grace, MAINTAIN, application="shop")


def test_ones_own_role_counts_where_it_is_protected(world: World) -> None:
    assert world.may(make_user(role=Role.DEPLOYER), DEPLOY) == ALL
    assert world.may(world.grace, DEPLOY) == set()


@pytest.mark.parametrize(
    ("application", "environment", "reached"),
    [
        ("shop", "staging", {"shop/staging"}),
        ("shop", "production", {"shop/production"}),
        ("shop", None, {"shop/staging", "shop/production"}),
        (None, "production", {"shop/production", "blog/production"}),
        (None, None, ALL),
    ],
)
@pytest.mark.parametrize("through_a_team", [False, True])
def test_a_grant_counts_in_its_place(
    world: World, application: str | None, environment: str | None, reached: set[str], through_a_team: bool
) -> None:
    place = {
        "application": world.shop if application else None,
        "environment": getattr(world, environment) if environment else None,
    }
    holder: User | Team = world.guest
    if through_a_team:
        holder = teams.make("payments", by=world.ada)
        teams.add_member(holder, world.guest, by=world.ada)
    grant = granting.give(holder, Role.DEPLOYER, **place, by=world.ada)  # type: ignore[arg-type]
    assert world.may(world.guest, DEPLOY) == world.may(world.guest, VIEW) == reached
    assert world.may(world.guest, MAINTAIN) == set()
    listed = Target.objects.filter(access.visible(world.guest))
    assert {target.slug for target in listed} == reached
    for slug in ALL:  # by names as by rows
        app, env = slug.split("/")
        assert access.allows(world.guest, DEPLOY, application=app, environment=env) == (slug in reached)
    assert access.allows(world.guest, DEPLOY) == (reached == ALL)
    assert access.allows_somewhere(world.guest, DEPLOY)
    granting.take_away(grant, by=world.ada)
    assert world.may(world.guest, VIEW) == set()
    assert not access.allows_somewhere(world.guest, VIEW)
    assert not Target.objects.filter(access.visible(world.guest)).exists()


def test_grants_add_up(world: World) -> None:
    granting.give(world.guest, Role.VIEWER, application=world.shop, by=world.ada)
    granting.give(world.guest, Role.DEPLOYER, environment=world.staging, by=world.ada)
    assert world.may(world.guest, VIEW) == {"shop/staging", "shop/production", "blog/staging"}
    assert world.may(world.guest, DEPLOY) == {"shop/staging", "blog/staging"}
    assert Target.objects.filter(access.visible(world.guest)).count() == 3
    events = Event.objects.filter(access.visible(world.guest, by_name=True))
    assert {event.kind for event in events} == {"grant.given"}  # each is about an application or environment of theirs


def test_a_grant_for_a_place_replaces_the_one_that_was(world: World) -> None:
    granting.give(world.guest, Role.MAINTAINER, application=world.shop, by=world.ada)
    granting.give(world.guest, Role.VIEWER, application=world.shop, by=world.ada)
    assert Grant.objects.get().role == Role.VIEWER
    with pytest.raises(granting.AlreadySo, match="guest is viewer in all of shop already"):
        granting.give(world.guest, Role.VIEWER, application=world.shop, by=world.ada)


def test_who_administers_an_application_gives_roles_in_it_and_nowhere_else(world: World) -> None:
    granting.give(world.grace, Role.ADMINISTRATOR, application=world.shop, by=world.ada)
    granting.give(world.guest, Role.DEPLOYER, application=world.shop, environment=world.staging, by=world.grace)
    assert world.may(world.guest, DEPLOY) == {"shop/staging"}
    for place in ({"application": world.blog}, {"environment": world.staging}, {}):
        with pytest.raises(NotAllowed, match="grace may not administer"):
            granting.give(world.grace, Role.ADMINISTRATOR, **place, by=world.grace)
    theirs = granting.give(world.guest, Role.VIEWER, application=world.blog, by=world.ada)
    with pytest.raises(NotAllowed):
        granting.take_away(theirs, by=world.grace)
    for refused in (
        lambda: places.protect_environment(world.production, by=world.grace, protected=False),
        lambda: granting.set_everyones(unprotected=Role.MAINTAINER, protected=Role.MAINTAINER, by=world.grace),
        lambda: teams.make("mine", by=world.grace),
    ):
        with pytest.raises(NotAllowed):
            refused()


def test_a_role_that_cannot_be_given(world: World) -> None:
    for role in (Role.GUEST, "owner", ""):
        with pytest.raises(granting.WrongRole):
            granting.give(world.guest, role, by=world.ada)
    assert not Grant.objects.exists()


def test_the_database_holds_one_holder_and_one_role_per_place(world: World) -> None:
    team = teams.make("payments", by=world.ada)
    for wrong in (
        {"role": Role.VIEWER},
        {"role": Role.VIEWER, "person": world.guest, "team": team},
        {"role": Role.GUEST, "person": world.guest},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.create(**wrong)
    Grant.objects.create(person=world.guest, role=Role.VIEWER)
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(person=world.guest, role=Role.DEPLOYER)
    for pk in (2, 3):
        with pytest.raises(IntegrityError), transaction.atomic():
            DefaultRoles.objects.create(pk=pk, unprotected=Role.VIEWER, protected=Role.VIEWER)


def test_what_everyone_may_is_chosen(world: World, open_house: None) -> None:
    granting.set_everyones(unprotected=Role.VIEWER, protected=Role.VIEWER, by=world.ada)
    assert world.may(world.grace, DEPLOY) == set()
    granting.set_everyones(unprotected=Role.MAINTAINER, protected=Role.DEPLOYER, by=world.ada)
    assert world.may(world.grace, DEPLOY) == ALL
    assert world.may(world.grace, MAINTAIN) == {"shop/staging", "blog/staging"}
    for unprotected, protected in (("guest", "viewer"), ("administrator", "viewer"), ("viewer", "deployer")):
        with pytest.raises(granting.WrongRole):
            granting.set_everyones(unprotected=unprotected, protected=protected, by=world.ada)
    assert DefaultRoles.objects.count() == 1


def test_someone_who_was_disabled_has_nothing_of_all_this(world: World, open_house: None) -> None:
    granting.give(world.grace, Role.ADMINISTRATOR, by=world.ada)
    assert access.allows(world.grace, ADMINISTER)
    world.grace.is_active = False
    assert world.may(world.grace, VIEW) == set()
    assert not access.allows(world.grace, SIGNED_IN)
    assert not Target.objects.filter(access.visible(world.grace)).exists()


def test_a_page_of_many_cells_asks_twice(world: World, open_house: None) -> None:
    for number in range(30):
        team = teams.make(f"team-{number}", by=world.ada)
        teams.add_member(team, world.guest, by=world.ada)
        granting.give(team, Role.VIEWER, application=make_application(), by=world.ada)
    names = [f"app-{number}" for number in range(200)]
    for user in (world.guest, world.grace, world.ada):
        with rights.read_once(), CaptureQueriesContext(connection) as asked:
            for application, environment in product(names, range(8)):
                access.allows(user, DEPLOY, application=application, environment=f"env-{environment}")
        assert len(asked) <= 2
    # and within a request too, a right that was taken away is gone
    with rights.read_once():
        assert not access.allows(world.guest, VIEW, application=world.shop)
        granting.give(world.guest, Role.VIEWER, application=world.shop, by=world.ada)
        assert access.allows(world.guest, VIEW, application=world.shop)


def test_teams(world: World) -> None:
    team = teams.make("payments", by=world.ada)
    teams.add_member(team, world.guest, by=world.ada)
    granting.give(team, Role.VIEWER, application=world.shop, by=world.ada)
    with pytest.raises(teams.AlreadySo):
        teams.add_member(team, world.guest, by=world.ada)
    with pytest.raises(teams.NameTaken):
        teams.make("payments", by=world.ada)
    with pytest.raises(teams.WrongName):
        teams.make("Payments!", by=world.ada)
    teams.rename(team, "money", by=world.ada)
    assert access.allows(world.guest, VIEW, world.targets["shop/staging"])
    teams.remove_member(team, world.guest, by=world.ada)
    assert not access.allows(world.guest, VIEW, world.targets["shop/staging"])
    with pytest.raises(teams.AlreadySo):
        teams.remove_member(team, world.guest, by=world.ada)
    teams.remove(team, by=world.ada)
    assert not Grant.objects.exists()
    for verb in (teams.make, lambda name, by: teams.remove(team, by=by)):
        with pytest.raises(NotAllowed):
            verb("others", by=world.grace)


def test_protecting_is_told_once(world: World) -> None:
    for _ in range(2):
        places.protect_environment(world.staging, by=world.ada, protected=True)
    assert Environment.objects.get(name="staging").protected
    assert Event.objects.filter(kind="environment.protected", environment="staging", actor="ada").count() == 1
