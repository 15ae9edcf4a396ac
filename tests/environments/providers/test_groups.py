"""What groups mean here: given at the sign-in, taken with the group, and never what a hand gave."""

import pytest
from django.test import Client
from pytest_django import Settings

from environments import access, people, rights, teams, who_may
from environments.models import Came, GroupMapping, GroupMembership, Identity, Role, SignInProvider, Team, User
from environments.providers import arriving, keeping, settling
from environments.providers.claims import Claims
from environments.providers.errors import AlreadySo, NotLetIn, WrongMapping
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.environments.providers.provider import CLIENT, Provider
from tests.environments.providers.visiting import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def plain(ada: User) -> SignInProvider:
    """One that is never asked: its claims are given by hand."""
    facts = {"issuer": "https://id.example.com", "client_id": CLIENT}
    return SignInProvider.objects.create(name="corp", title="Corp", **facts)


@pytest.fixture
def painters() -> Team:
    return teams.make("painters", by=None)


def told(subject: str = "1", *groups: str, email: str = "", name: str = "zoe") -> Claims:
    return Claims(subject, name, "Zoe Example", email, groups, False, None)


def arrive(provider: SignInProvider, *groups: str) -> User:
    return User.objects.get(pk=arriving.arrive(provider, told("1", *groups)).pk)


def members(team: Team) -> list[str]:
    return [person.username for person in team.members.order_by("username")]


@pytest.mark.both_databases
class TestTeams:
    def test_a_group_brings_into_a_team_and_takes_out_of_it(
        self, plain: SignInProvider, painters: Team, ada: User
    ) -> None:
        keeping.map_group(plain, "shop-people", team=painters, by=ada)
        assert arrive(plain, "shop-people", "more").came == Came.MAPPED
        assert members(painters) == ["zoe"]
        assert arrive(plain, "more").came == Came.WAITING
        assert members(painters) == []
        kinds = ("team.joined_by_group", "team.left_by_group")
        assert [tell(event).text for event in Event.objects.filter(kind__in=kinds).order_by("pk")] == [
            "A group at a sign-in provider brought zoe into the team painters.",
            "No group at a sign-in provider keeps zoe in the team painters any more.",
        ]

    def test_whom_a_hand_put_there_stays(self, plain: SignInProvider, painters: Team, ada: User) -> None:
        zoe = arrive(plain)
        teams.add_member(painters, zoe, by=ada)
        keeping.map_group(plain, "shop-people", team=painters, by=ada)
        arrive(plain, "shop-people")
        arrive(plain)
        assert members(painters) == ["zoe"]

    def test_whom_a_hand_puts_back_stays(self, plain: SignInProvider, painters: Team, ada: User) -> None:
        keeping.map_group(plain, "shop-people", team=painters, by=ada)
        zoe = arrive(plain, "shop-people")
        teams.remove_member(painters, zoe, by=ada)
        teams.add_member(painters, zoe, by=ada)
        arrive(plain)
        assert members(painters) == ["zoe"]

    def test_mapping_and_unmapping_work_at_once(self, plain: SignInProvider, painters: Team, ada: User) -> None:
        arrive(plain, "shop-people")
        mapped = keeping.map_group(plain, "shop-people", team=painters, by=ada)
        assert members(painters) == ["zoe"]
        keeping.unmap_group(plain, mapped.pk, by=ada)
        assert members(painters) == []
        assert not GroupMembership.objects.exists()
        texts = [tell(event).text for event in Event.objects.filter(kind__startswith="provider.").order_by("pk")]
        assert texts == [
            "ada made the group shop-people of Corp mean the team painters.",
            "ada made the group shop-people of Corp mean the team painters no more.",
        ]

    def test_a_provider_that_is_removed_takes_what_it_gave(
        self, plain: SignInProvider, painters: Team, ada: User
    ) -> None:
        keeping.map_group(plain, "shop-people", team=painters, by=ada)
        keeping.map_group(plain, "shop-people", role=Role.MAINTAINER, by=ada)
        assert arrive(plain, "shop-people").role == Role.MAINTAINER
        keeping.remove(plain, by=ada)
        zoe = User.objects.get(username="zoe")
        assert (members(painters), zoe.role, zoe.came) == ([], Role.VIEWER, Came.WAITING)

    def test_what_two_providers_give_stays_until_both_take_it(
        self, plain: SignInProvider, painters: Team, ada: User
    ) -> None:
        other = SignInProvider.objects.create(name="other", title="Other", issuer="https://x.example", client_id="c")
        for provider in (plain, other):
            keeping.map_group(provider, "shop-people", team=painters, by=ada)
        zoe = arrive(plain, "shop-people")
        Identity.objects.create(provider=other, subject="1", user=zoe, groups=["shop-people"])
        arrive(plain)
        assert members(painters) == ["zoe"]
        arriving.arrive(other, told())
        assert members(painters) == []


@pytest.mark.both_databases
class TestRoles:
    def test_a_group_makes_administrators_and_takes_it_back(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "admins", role=Role.ADMINISTRATOR, by=ada)
        zoe = arrive(plain, "admins")
        assert (zoe.role, access.allows(zoe, access.ADMINISTER)) == (Role.ADMINISTRATOR, True)
        zoe = arrive(plain)
        assert (zoe.role, zoe.own_role, zoe.came) == (Role.VIEWER, "", Came.WAITING)
        assert not access.allows(zoe, access.ADMINISTER)
        texts = [tell(event).text for event in Event.objects.filter(kind="person.role_by_group").order_by("pk")]
        assert texts == [
            "A group at a sign-in provider made zoe administrator, who was viewer.",
            "A group at a sign-in provider made zoe viewer, who was administrator.",
        ]

    def test_the_strongest_group_counts_and_no_hand_is_made_less(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "some", role=Role.DEPLOYER, by=ada)
        keeping.map_group(plain, "few", role=Role.MAINTAINER, by=ada)
        zoe = arrive(plain, "some", "few")
        assert zoe.role == Role.MAINTAINER
        people.set_role(zoe, Role.ADMINISTRATOR, by=ada)
        assert arrive(plain, "some").role == Role.ADMINISTRATOR

    def test_a_hand_cannot_take_what_a_group_gives(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "few", role=Role.MAINTAINER, by=ada)
        zoe = arrive(plain, "few")
        with pytest.raises(people.FromGroups, match="because of a group"):
            people.set_role(zoe, Role.VIEWER, by=ada)
        assert User.objects.get(pk=zoe.pk).role == Role.MAINTAINER

    def test_the_last_administrator_stays_one(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "admins", role=Role.ADMINISTRATOR, by=ada)
        arrive(plain, "admins")
        people.disable(ada, by=None)
        assert arrive(plain).role == Role.ADMINISTRATOR
        assert "stays administrator" in tell(Event.objects.get(kind="person.role_kept")).text

    def test_another_role_for_a_group_replaces_the_one_before(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "few", role=Role.MAINTAINER, by=ada)
        arrive(plain, "few")
        keeping.map_group(plain, "few", role=Role.DEPLOYER, by=ada)
        assert User.objects.get(username="zoe").role == Role.DEPLOYER
        with pytest.raises(AlreadySo):
            keeping.map_group(plain, "few", role=Role.DEPLOYER, by=ada)
        assert GroupMapping.objects.count() == 1

    def test_nothing_is_asked_twice_where_nothing_changed(self, plain: SignInProvider, ada: User) -> None:
        keeping.map_group(plain, "few", role=Role.MAINTAINER, by=ada)
        arrive(plain, "few")
        before = Event.objects.count()
        settling.settle(arrive(plain, "few"))
        assert Event.objects.count() == before


class TestNewcomers:
    def test_a_newcomer_waits_until_a_group_is_mapped_or_a_role_given(
        self, plain: SignInProvider, ada: User, settings: Settings
    ) -> None:
        settings.EVERYONE = "deployer"
        target = builders.make_target()
        zoe = arrive(plain, "some")
        line = next(line for line in who_may.who_may(target).lines if line.person == zoe)
        assert (line.role, line.strongest[-1].words) == (Role.VIEWER, "came by a provider, no group mapped yet")
        assert not access.allows(zoe, access.DEPLOY, target)
        people.set_role(zoe, Role.VIEWER, by=ada)  # as everyone
        zoe.refresh_from_db()
        rights.forget()
        assert access.allows(zoe, access.DEPLOY, target)
        zoe = arrive(plain, "some")
        assert zoe.came == Came.INVITED

    @pytest.mark.parametrize(
        ("lets_in", "groups", "comes"),
        [("mapped", (), False), ("mapped", ("some",), True), ("known", ("some",), False), ("everyone", (), True)],
    )
    def test_whom_it_lets_in(
        self, lets_in: str, groups: tuple[str, ...], comes: bool, plain: SignInProvider, ada: User
    ) -> None:
        keeping.map_group(plain, "some", role=Role.DEPLOYER, by=ada)
        plain.lets_in = lets_in
        if comes:
            arrive(plain, *groups)
        else:
            with pytest.raises(NotLetIn):
                arrive(plain, *groups)
        assert User.objects.filter(username="zoe").exists() == comes

    def test_who_has_lost_their_group_does_not_come_in_and_has_nothing(
        self, plain: SignInProvider, painters: Team, ada: User
    ) -> None:
        keeping.map_group(plain, "some", team=painters, by=ada)
        plain.lets_in = "mapped"
        arrive(plain, "some")
        with pytest.raises(NotLetIn, match="None of your groups"):
            arrive(plain)
        assert members(painters) == []

    @pytest.mark.parametrize(
        ("email", "comes"), [("zoe@example.com", True), ("zoe@EXAMPLE.com", True), ("zoe@evil.example", False)]
    )
    def test_only_addresses_of_these_domains(self, email: str, comes: bool, plain: SignInProvider) -> None:
        plain.domains = "example.org example.com"
        if comes:
            arriving.arrive(plain, told(email=email))
        else:
            with pytest.raises(NotLetIn, match=r"example\.org or example\.com"):
                arriving.arrive(plain, told(email=email))

    def test_an_address_that_is_not_verified_is_none(
        self, client: Client, corp: Provider, row: SignInProvider, ada: User
    ) -> None:
        SignInProvider.objects.update(domains="example.com", links_by_mail=True)
        User.objects.filter(pk=ada.pk).update(email="zoe@example.com")
        corp.people["zoe"].claims["email_verified"] = False
        assert "has verified none of yours" in sign_in(client).context["refused"]
        assert not Identity.objects.exists()

    @pytest.mark.parametrize("value", [True, "admins", {"admins": 1}, [["admins"]], None, 7])
    def test_what_is_no_list_of_groups_gives_no_more_than_a_name(
        self, value: object, client: Client, corp: Provider, row: SignInProvider, ada: User
    ) -> None:
        keeping.map_group(row, "admins", role=Role.ADMINISTRATOR, by=ada)
        corp.people["zoe"].claims["groups"] = value
        sign_in(client)
        assert (User.objects.get(username="zoe").role == Role.ADMINISTRATOR) == (value == "admins")

    def test_groups_that_are_too_many_to_be_listed_take_nothing_away(
        self, client: Client, corp: Provider, row: SignInProvider, painters: Team, ada: User
    ) -> None:
        keeping.map_group(row, "shop-people", team=painters, by=ada)
        sign_in(client)
        del corp.people["zoe"].claims["groups"]
        corp.people["zoe"].claims["_claim_names"] = {"groups": "src1"}
        assert "too many" in sign_in(Client()).context["refused"]
        assert members(painters) == ["zoe"]

    def test_groups_lie_deeper_where_the_claim_says_so(
        self, client: Client, corp: Provider, row: SignInProvider
    ) -> None:
        SignInProvider.objects.update(groups_claim="realm_access.roles")
        corp.people["zoe"].claims["realm_access"] = {"roles": ["b", "a"]}
        sign_in(client)
        assert Identity.objects.get().groups == ["a", "b"]


@pytest.mark.both_databases
class TestLinking:
    @pytest.fixture
    def bo(self) -> User:
        return builders.make_user(username="bo", role=Role.MAINTAINER, email="Bo@example.com")

    def test_a_verified_address_leads_to_an_account_only_where_it_is_said(
        self, plain: SignInProvider, bo: User
    ) -> None:
        claims = told("bo-1", email="bo@example.com", name="bo")
        assert arriving.arrive(plain, claims) != bo
        Identity.objects.all().delete()
        plain.links_by_mail = True
        assert arriving.arrive(plain, claims) == bo
        assert "a verified mail address led" in tell(Event.objects.get(kind="provider.linked")).text
        bo.refresh_from_db()
        assert (bo.role, bo.came) == (Role.MAINTAINER, Came.INVITED)

    def test_an_address_that_somebody_else_has_there_now_leads_to_nobody(self, plain: SignInProvider, bo: User) -> None:
        plain.links_by_mail = True
        arriving.arrive(plain, told("bo-1", email="bo@example.com"))
        assert arriving.arrive(plain, told("bo-2", email="bo@example.com")) != bo

    def test_an_address_that_two_have_leads_to_nobody(self, plain: SignInProvider, bo: User) -> None:
        other = builders.make_user(username="bob", email="bo@example.com")
        plain.links_by_mail = True
        assert arriving.arrive(plain, told("bo-1", email="bo@example.com")) not in (bo, other)

    def test_a_disabled_account_is_not_gone_around(self, plain: SignInProvider, bo: User) -> None:
        User.objects.filter(pk=bo.pk).update(is_active=False)
        plain.links_by_mail = True
        with pytest.raises(NotLetIn, match="disabled here"):
            arriving.arrive(plain, told("bo-1", email="bo@example.com"))
        assert not Identity.objects.exists()

    def test_what_was_linked_wrongly_is_taken_away(self, plain: SignInProvider, bo: User, ada: User) -> None:
        plain.links_by_mail = True
        arriving.arrive(plain, told("bo-1", email="bo@example.com"))
        keeping.unlink(Identity.objects.get(), by=ada)
        plain.links_by_mail = False
        assert arriving.arrive(plain, told("bo-1", email="bo@example.com")) != bo


@pytest.mark.parametrize(
    ("group", "team", "role"),
    [
        *(("", False, "viewer"), ("x" * 256, False, "viewer"), ("a\nb", False, "viewer"), ("a", True, "viewer")),
        *(("a", False, ""), ("a", False, "guest"), ("a", False, "king")),
    ],
)
def test_what_cannot_be_mapped(
    group: str, team: bool, role: str, plain: SignInProvider, painters: Team, ada: User
) -> None:
    with pytest.raises(WrongMapping, match="Nothing was changed"):
        keeping.map_group(plain, group, team=painters if team else None, role=role, by=ada)
    assert not GroupMapping.objects.exists()


def test_only_administrators_map(plain: SignInProvider, ada: User) -> None:
    bo = builders.make_user(role=Role.MAINTAINER)
    with pytest.raises(access.NotAllowed):
        keeping.map_group(plain, "mine", role=Role.ADMINISTRATOR, by=bo)
    mapped = keeping.map_group(plain, "mine", role=Role.ADMINISTRATOR, by=ada)
    with pytest.raises(access.NotAllowed):
        keeping.unmap_group(plain, mapped.pk, by=bo)
