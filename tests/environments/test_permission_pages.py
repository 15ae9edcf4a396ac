"""Settings → Teams and Settings → Permissions: verbs by their pages, and who may do what, and why."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from environments import access, choices, granting, permission_pages, teams
from environments import urls as our_urls
from environments.models import (
    DefaultRoles,
    Environment,
    Freeze,
    Grant,
    Heartbeat,
    HostSource,
    Role,
    SecretStore,
    SignInProvider,
    Team,
    User,
)
from environments.who_may import who_may
from notifications.models import Channel, Event
from tests.builders import make_application, make_environment, make_target, make_token, make_user

pytestmark = pytest.mark.django_db
PERMISSIONS = "settings-permissions"


class World:
    def __init__(self) -> None:
        self.shop, self.blog = make_application(name="shop"), make_application(name="blog")
        self.staging = make_environment(name="staging", position=0)
        self.production = make_environment(name="production", position=1, protected=True)
        cells = product((self.shop, self.blog), (self.staging, self.production))
        self.targets = {target.slug: target for target in (make_target(application=a, environment=e) for a, e in cells)}
        self.ada = make_user(username="ada", role=Role.ADMINISTRATOR, first_name="Ada", last_name="Marsh")
        self.grace = make_user(username="grace", role=Role.VIEWER, first_name="Grace", last_name="Hopper")
        self.guest = make_user(username="guest", role=Role.GUEST)
        self.payments = teams.make("payments", by=None)


@pytest.fixture
def world() -> World:
    return World()


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def told(client: Client, route: str, /, *args: object, **facts: str) -> str:
    """The page that one comes back to after a click."""
    return client.post(reverse(route, args=args), facts, follow=True).content.decode()


class TestTeams:
    def test_one_is_made_filled_renamed_emptied_and_removed(self, world: World) -> None:
        ada = client_of(world.ada)
        assert "The team night-shift is made" in told(ada, "make-team", name="night-shift")
        assert "Grace Hopper is in night-shift" in told(ada, "add-member", "night-shift", username=" Grace ")
        assert "is called nights now" in told(ada, "rename-team", "night-shift", name="nights")
        assert set(Team.objects.get(name="nights").members.all()) == {world.grace}
        assert "is in nights no more" in told(ada, "remove-member", "nights", "grace")
        granting.give(Team.objects.get(name="nights"), Role.DEPLOYER, by=None)
        assert "nights is removed" in told(ada, "remove-team", "nights")
        assert not Grant.objects.exists()
        assert {"team.made", "team.joined", "team.renamed", "team.left", "team.removed"} <= {
            event.kind for event in Event.objects.filter(actor="ada")
        }

    def test_refusals_are_sentences(self, world: World) -> None:
        ada = client_of(world.ada)
        world.payments.members.add(world.grace)
        User.objects.filter(pk=world.guest.pk).update(is_active=False)
        assert "There is a team called payments already" in told(ada, "make-team", name="payments")
        assert "can be no name of a team" in told(ada, "rename-team", "payments", name="Pay Ments")
        assert "grace is in payments already" in told(ada, "add-member", "payments", username="grace")
        for name in ("nobody", "guest"):  # the latter may not come in
            assert "Nobody who may come in is called" in told(ada, "add-member", "payments", username=name)
        assert "guest is not in payments" in told(ada, "remove-member", "payments", "guest")
        assert ada.post(reverse("add-member", args=["nowhere"])).status_code == 404

    def test_others_see_their_own_and_change_nothing(self, world: World) -> None:
        teams.make("secret", by=None)
        world.payments.members.add(world.grace)
        page = client_of(world.grace).get(reverse("settings-teams")).content.decode()
        assert "payments" in page
        assert "Grace Hopper, you" in page
        assert "secret" not in page
        assert "/settings/teams/" not in page
        assert "You are in no team" in client_of(world.guest).get(reverse("settings-teams")).content.decode()
        assert client_of(world.grace).post(reverse("add-member", args=["payments"])).status_code == 403


class TestPermissions:
    def test_everyone_is_what_was_chosen(self, world: World) -> None:
        ada = client_of(world.ada)
        assert "Everyone is deployer now, and viewer where" in told(
            ada, "set-everyones", unprotected="deployer", protected="viewer"
        )
        assert access.allows(world.grace, access.DEPLOY, world.targets["shop/staging"])
        page = told(ada, "set-everyones", unprotected="viewer", protected="maintainer")
        assert "that protects nothing" in page
        assert "everyone is deployer" in page

    def test_an_environment_is_protected_by_one_switch(self, world: World) -> None:
        ada = client_of(world.ada)
        told(ada, "set-everyones", unprotected="deployer", protected="viewer")
        assert "staging is protected" in told(ada, "protect-environment", "staging", protected="yes")
        assert not access.allows(world.grace, access.DEPLOY, world.targets["shop/staging"])
        assert "staging is open" in told(ada, "protect-environment", "staging", protected="no")
        assert access.allows(world.grace, access.DEPLOY, world.targets["shop/staging"])
        assert ada.post(reverse("protect-environment", args=["staging"])).status_code == 400
        assert ada.post(reverse("protect-environment", args=["nowhere"]), {"protected": "yes"}).status_code == 404

    @pytest.mark.parametrize("holder", ["person:grace", "team:payments"])
    def test_a_role_is_given_and_taken_away(self, world: World, holder: str) -> None:
        ada, target = client_of(world.ada), world.targets["shop/production"]
        world.payments.members.add(world.grace)
        place = {"application": "shop", "environment": "production"}
        page = told(ada, "give-grant", holder=holder, role="deployer", **place)
        assert "is deployer in shop/production" in page
        assert access.allows(world.grace, access.DEPLOY, target)
        assert "already" in told(ada, "give-grant", holder=holder, role="deployer", **place)
        told(ada, "give-grant", holder=holder, role="maintainer", **place)  # instead of what was given there
        grant = Grant.objects.get()
        assert (grant.role, grant.given_by) == (Role.MAINTAINER, "ada")
        assert "Taken from" in told(ada, "take-grant", grant.pk)
        assert not access.allows(world.grace, access.DEPLOY, target)
        assert ada.post(reverse("take-grant", args=[grant.pk])).status_code == 404

    def test_what_is_not_there_or_not_told_gives_nothing(self, world: World) -> None:
        ada, everywhere = client_of(world.ada), {"application": "", "environment": ""}
        for facts, status in (
            ({"holder": "person:nobody", "role": "deployer", **everywhere}, 404),
            ({"holder": "team:nobody", "role": "deployer", **everywhere}, 404),
            ({"holder": "person:grace", "role": "deployer", **everywhere, "application": "nowhere"}, 404),
            ({"holder": "person:grace", "role": "deployer"}, 400),  # a lost field is not everything
        ):
            assert ada.post(reverse("give-grant"), facts).status_code == status
        for role in ("guest", "owner"):
            assert "is no role that can be given" in told(
                ada, "give-grant", holder="person:grace", role=role, **everywhere
            )
        assert not Grant.objects.exists()
        assert ada.get(reverse(PERMISSIONS), {"at": "no/where"}).status_code == 404

    def test_who_administers_a_place_gives_roles_there_and_nowhere_else(self, world: World) -> None:
        granting.give(world.guest, Role.ADMINISTRATOR, application=world.shop, by=None)
        elsewhere = granting.give(world.payments, Role.DEPLOYER, application=world.blog, by=None)
        guest = client_of(world.guest)
        page = guest.get(reverse(PERMISSIONS)).content.decode()
        assert "blog" not in page
        assert reverse("set-everyones") not in page
        assert "/protect" not in page  # an environment reaches into other applications
        shop, everywhere = {"application": "shop", "environment": ""}, {"application": "", "environment": ""}
        assert "is deployer in all of shop" in told(guest, "give-grant", holder="person:grace", role="deployer", **shop)
        before = set(Grant.objects.values_list("pk", "role"))
        assert "may not administer" in told(
            guest, "give-grant", holder="person:guest", role="administrator", **everywhere
        )
        assert "may not administer" in told(
            guest, "give-grant", holder="person:guest", role="administrator", application="", environment="production"
        )
        blog = {"application": "blog", "environment": ""}
        assert (
            guest.post(reverse("give-grant"), {"holder": "person:guest", "role": "viewer", **blog}).status_code == 404
        )
        assert guest.post(reverse("take-grant", args=[elsewhere.pk])).status_code == 404
        assert (
            guest.post(reverse("set-everyones"), {"unprotected": "maintainer", "protected": "viewer"}).status_code
            == 403
        )
        assert guest.post(reverse("protect-environment", args=["production"]), {"protected": "no"}).status_code == 403
        assert guest.post(reverse("make-team"), {"name": "mine"}).status_code == 403
        assert set(Grant.objects.values_list("pk", "role")) == before


class TestWhoMay:
    @pytest.mark.both_databases
    def test_it_says_what_the_gate_says(self, world: World) -> None:
        """For every person and every target, whatever gives them what they have."""
        people = {role: make_user(username=f"own-{role}", role=role) for role in Role}
        root = make_user(username="root", role=Role.VIEWER, is_superuser=True)
        granting.set_everyones(unprotected="deployer", protected="viewer", by=None)
        world.payments.members.add(people[Role.VIEWER], people[Role.GUEST], world.grace)
        granting.give(world.payments, Role.MAINTAINER, environment=world.production, by=None)
        granting.give(world.guest, Role.VIEWER, application=world.shop, environment=world.staging, by=None)
        granting.give(world.grace, Role.ADMINISTRATOR, application=world.blog, by=None)
        everyone = [*people.values(), root, world.ada, world.grace, world.guest]
        for target in world.targets.values():
            found = who_may(target)
            roles = {line.person.username: line.role for line in found.lines}
            assert len(roles) + found.others + found.guests == len(everyone)
            for person in everyone:
                role = roles.get(person.username, Role.GUEST if person.role == Role.GUEST else found.everyone)
                for permission in access.PERMISSIONS:
                    assert access.role_allows(role, permission) == access.allows(person, permission, target), (
                        person, permission, target,
                    )  # fmt: skip

    def test_it_says_why(self, world: World) -> None:
        world.payments.members.add(world.grace)
        granting.give(world.payments, Role.MAINTAINER, environment=world.production, by=None)
        granting.give(world.grace, Role.DEPLOYER, application=world.shop, by=None)
        found = {line.person.username: line.reasons for line in who_may(world.targets["shop/production"]).lines}
        assert [(reason.role, reason.words) for reason in found["grace"]] == [
            ("maintainer", "team payments, given in all of production"),
            ("deployer", "given in all of shop"),
            ("viewer", "own role"),
            ("viewer", "everyone"),
        ]
        page = client_of(world.ada).get(reverse(PERMISSIONS), {"at": "shop/production"}).content.decode()
        assert "team payments, given in all of production" in page
        assert "1 guest" in page

    def test_pages_ask_no_more_for_many(self, world: World) -> None:
        counts = []
        for number in (2, 20):
            for count in range(number):
                team = teams.make(f"team-{number}-{count}", by=None)
                team.members.add(make_user(), world.grace)
                granting.give(team, Role.DEPLOYER, application=make_application(), by=None)
                granting.give(make_user(), Role.DEPLOYER, environment=world.staging, by=None)
            for name in (PERMISSIONS, "settings-teams"):
                client = client_of(world.ada)
                with CaptureQueriesContext(connection) as caught:
                    assert client.get(reverse(name)).status_code == 200
                counts.append(len(caught))
        assert counts[:2] == counts[2:]
        assert max(counts) <= 15

    def test_long_lists_come_in_parts(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(permission_pages, "GRANTS", 2)
        monkeypatch.setattr(permission_pages, "TEAMS", 2)
        for number in range(5):
            team = teams.make(f"team-{number}", by=None)
            granting.give(team, Role.DEPLOYER, environment=world.staging, by=None)
        ada = client_of(world.ada)
        for name, told, action in ((PERMISSIONS, "5 to 5", "Take away deployer"), ("settings-teams", "5 to 6", "Rem")):
            pages = [ada.get(reverse(name), {"part": part, "q": ""}).content.decode() for part in ("1", "2", "3")]
            assert [page.count(f'aria-label="{action}') for page in pages] == [2, 2, 2 if told == "5 to 6" else 1]
            assert all(sum(f"the team team-{number}" in page for page in pages) == 1 for number in range(5))
            assert [('rel="next"' in page, 'rel="prev"' in page) for page in pages] == [
                (True, False),
                (True, True),
                (False, True),
            ]
            assert told in pages[2]
            assert "nothing here" in ada.get(reverse(name), {"part": "99"}).content.decode()
            for odd in ("0", "-1", "x", "9" * 30):
                assert ada.get(reverse(name), {"part": odd}).content.decode().count(f'aria-label="{action}') == 2

    def test_what_is_in_a_list_goes_out_by_its_own_button(self, world: World) -> None:
        odd = make_user(username="o'b+r@example.org", first_name="<b>", last_name='"O')
        world.payments.members.add(odd, world.grace)
        ada = client_of(world.ada)
        page = ada.get(reverse("settings-teams")).content.decode()
        assert "<b> " not in page
        found = re.findall(r'formaction="([^"]*/members/[^"]*)" aria-label="Take ([^"]*) out of payments"', page)
        addresses = {name: unescape(address) for address, name in found}
        assert set(addresses) == {"Grace Hopper", "&lt;b&gt; &quot;O"}
        assert ada.post(addresses["&lt;b&gt; &quot;O"]).status_code == 302
        assert set(world.payments.members.all()) == {world.grace}
        granting.give(world.grace, Role.DEPLOYER, by=None)
        page = ada.get(reverse(PERMISSIONS)).content.decode()
        (address,) = re.findall(r'formaction="([^"]*)" aria-label="Take away deployer from Grace Hopper', page)
        assert ada.post(address).status_code == 302
        assert not Grant.objects.exists()

    def test_who_may_at_any_target_is_told_however_many_there_are(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choices, "MOST", 1)
        last = make_target(application=make_application(name="zoo"), environment=world.staging)
        page = client_of(world.ada).get(reverse(PERMISSIONS), {"at": last.slug}).content.decode()
        assert f'value="{last.slug}" required' in page
        assert client_of(world.ada).get(reverse(PERMISSIONS), {"at": "zoo/nowhere"}).status_code == 404


FORMS = [str(pattern.name) for pattern in our_urls.urlpatterns]
# What someone would add to a form to become more; every field of every form is among them.
GREEDY: dict[str, Any] = {
    **{"role": "administrator", "is_staff": "on", "is_superuser": "on", "is_active": "on", "user": "grace"},
    **{"groups": "1", "user_permissions": "1", "person": "grace", "holder": "person:grace", "team": "payments"},
    **{"application": "", "environment": "", "unprotected": "maintainer", "protected": "maintainer"},
    **{"username": "grace", "name": "payments", "limits": "", "scope": "admin", "days": "0", "grants": "1"},
}


def held() -> tuple[object, ...]:
    """All that says who may what."""
    people = User.objects.order_by("pk").values_list("pk", "role", "is_staff", "is_superuser", "is_active")
    grants = Grant.objects.order_by("pk").values_list("pk", "role", "person", "team", "application", "environment")
    members = Team.members.through.objects.order_by("pk").values_list("team", "user")
    protected = Environment.objects.order_by("pk").values_list("name", "protected")
    return (*map(list, (people, grants, members, protected)), list(DefaultRoles.objects.values()))


@pytest.fixture
def address_of(world: World) -> Callable[[str], str]:
    make_token(user=world.grace)
    granting.give(world.payments, Role.VIEWER, application=world.shop, by=None)
    values = {"username": "grace", "team": "payments", "grant_id": Grant.objects.get().pk, "name": "staging"}
    values |= {
        "token_id": world.grace.tokens.get().pk,
        "zone": "a",
        "factor_id": 1,
        "key": "MQ",
        "token": "spent",
        "secret": "spent",
    }
    source = HostSource.objects.create(name="list", kind="lines", environment=world.staging, settings={"lines": ""})
    Channel.objects.create(name="releases", kind="web-hook", settings={"address": "https://hooks.example/"})
    SecretStore.objects.create(name="vault", kind="command", settings={"command": "/bin/true"})
    beat = Heartbeat.objects.create(source=source, name="web-9", address="10.0.0.9", digest="spent")
    soon = {"starts": timezone.now(), "ends": timezone.now() + timedelta(days=1)}
    freeze = Freeze.objects.create(scope="*", reason="Launch day", by=world.ada, by_name="Ada Marsh", **soon)
    values |= {
        "freeze_id": freeze.pk,
        "source": source.name,
        "beat_id": beat.pk,
        "store": "vault",
        "channel": "releases",
        "provider": "corp",
        "mapping_id": 1,
        "authority_id": 1,
        "what": "people",
    }
    corp = SignInProvider.objects.create(name="corp", title="Corp", issuer="http://127.0.0.1:9")
    values["identity_id"] = corp.identities.create(subject="9", user=world.grace).pk
    routes = {str(pattern.name): pattern for pattern in our_urls.urlpatterns}
    return lambda name: reverse(name, kwargs={word: values[word] for word in routes[name].pattern.converters})


@pytest.mark.parametrize("who", ["grace", "guest"])
@pytest.mark.parametrize("name", FORMS)
def test_no_form_makes_anybody_more(name: str, who: str, world: World, address_of: Callable[[str], str]) -> None:
    """Whatever is added to any form: who is no administrator changes nobody's rights, their own least."""
    client, before = client_of(User.objects.get(username=who)), held()
    client.post(address_of(name), GREEDY)
    assert held() == before


@pytest.mark.parametrize("name", FORMS)
def test_no_form_of_an_administrator_writes_what_it_does_not_show(
    name: str, world: World, address_of: Callable[[str], str]
) -> None:
    client = client_of(world.ada)
    assert client.post(address_of(name), GREEDY).status_code < 500
    flags = User.objects.exclude(username="ada").values_list("is_staff", "is_superuser")
    assert set(flags) == {(False, False)}
    promoted = User.objects.filter(role=Role.ADMINISTRATOR).exclude(username="ada")
    assert not promoted or name == "set-role"  # an invitation of grace finds her there
