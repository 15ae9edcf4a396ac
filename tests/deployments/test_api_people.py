"""People, teams and roles by the API: the same verbs, the same refusals as the pages."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from environments.models import DefaultRoles, Environment, Grant, Team, User
from environments.sealed import seal
from notifications.models import Event
from tests.builders import make_application, make_environment, make_user
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = pytest.mark.django_db
EVERYWHERE = {"application": None, "environment": None}


@pytest.fixture
def ada() -> API:
    return api_of(user=make_user(username="ada", role="administrator"))


def test_an_invited_person_chooses_a_password_by_the_link_that_is_told_once(ada: API) -> None:
    made = ada.post("people", {"username": "ben", "full_name": "Ben Ray", "role": "deployer"})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    link = made.json().pop("link")
    chosen = {"password": "a long enough 1", "again": "a long enough 1"}
    assert Client().post(urlsplit(link).path, chosen).status_code == 302
    assert User.objects.get(username="ben").check_password("a long enough 1")
    assert "link" not in str(ada.get("people").json())
    told = {"full_name": "Ben Ray", "role": "deployer", "active": True, "email": "", "teams": []}
    assert {"username": "ben"} | told in ada.get("people").json()["items"]
    other = ada.post("people/ben/link")
    assert (other.status_code, other.json()["link"] == link) == (201, False)


def test_a_person_gets_another_role_or_is_let_in_no_more(ada: API) -> None:
    make_user(username="ben", role="viewer")
    for _ in range(2):  # the second changes nothing, and says what is so
        said = ada.put("people/ben", {"role": "maintainer", "active": False})
        assert (said.status_code, said.json()["role"], said.json()["active"]) == (200, "maintainer", False)
    assert ada.put("people/ben", {"active": True}).json()["active"]
    told = list(Event.objects.filter(kind__startswith="person.").order_by("id").values_list("kind", flat=True))
    assert told == ["person.disabled", "person.role_changed", "person.enabled"]


def test_a_link_goes_by_mail_where_there_is_mail(ada: API, settings: Any, mailoutbox: list[EmailMessage]) -> None:
    made = ada.post("people", {"username": "ben", "email": "ben@example.org"})
    assert made.json()["email"] == "ben@example.org"
    check_problem(ada.post("people/ben/mail"), 409, "not-possible")
    settings.EMAIL_HOST = "mail.example.org"
    assert ada.post("people/ben/mail").status_code == 204
    assert [message.to for message in mailoutbox] == [["ben@example.org"]]
    assert ada.put("people/ben", {"email": ""}).json()["email"] == ""
    check_problem(ada.post("people/ben/mail"), 409, "not-possible")
    check_problem(ada.put("people/ben", {"email": "no address"}), 400, "wrong-values")


def test_who_has_lost_the_second_factor_or_tried_too_often_is_helped(ada: API) -> None:
    ben = make_user(username="ben")
    check_problem(ada.delete("people/ben/factors"), 409, "not-possible")
    Authenticator.objects.create(user=ben, type=Authenticator.Type.TOTP, data={"secret": seal("x")})
    assert ada.delete("people/ben/factors").status_code == 204
    assert not Authenticator.objects.exists()
    facts = {"attempt_time": timezone.now(), "failures_since_start": 1}
    AccessAttempt.objects.create(username="ben", ip_address="10.0.0.1", **facts)
    for _ in range(2):
        assert ada.delete("people/ben/tries").status_code == 204
    assert not AccessAttempt.objects.exists()


def test_the_last_administrator_stays_and_half_a_change_is_none(ada: API) -> None:
    check_problem(ada.put("people/ada", {"role": "viewer"}), 409, "not-possible")
    make_user(username="ben", is_active=False)
    User.objects.filter(username="ben").update(role="administrator")
    check_problem(ada.put("people/ada", {"active": False}), 409, "not-possible")
    check_problem(ada.put("people/ben", {"active": True, "role": "boss"}), 400, "unacceptable")
    assert not User.objects.get(username="ben").is_active
    assert not Event.objects.filter(kind__startswith="person.").exists()


def test_a_team_comes_and_goes_with_its_members(ada: API) -> None:
    make_user(username="ben")
    assert ada.post("teams", {"name": "payments"}).json() == {"name": "payments", "members": []}
    for _ in range(2):
        assert ada.put("teams/payments/members/ben", {}).json()["members"] == ["ben"]
    assert ada.put("teams/payments", {"name": "money"}).json() == {"name": "money", "members": ["ben"]}
    assert [row["teams"] for row in ada.get("people").json()["items"] if row["username"] == "ben"] == [["money"]]
    assert ada.get("teams").json()["items"] == [{"name": "money", "members": ["ben"]}]
    for _ in range(2):
        assert ada.delete("teams/money/members/ben").json()["members"] == []
    assert ada.delete("teams/money").status_code == 204
    assert not Team.objects.exists()


def test_a_role_is_given_in_a_place_and_taken_away(ada: API) -> None:
    make_application(name="shop")
    make_environment(name="staging")
    make_user(username="ben", role="guest")
    where = {"application": "shop", "environment": "staging"}
    made = ada.post("grants", {"person": "ben", "role": "deployer", **where})
    assert made.status_code == 201
    assert {word: made.json()[word] for word in ("person", "team", "role", "given_by", *where)} == {
        "person": "ben",
        "team": None,
        "role": "deployer",
        "given_by": "ada",
        **where,
    }
    check_problem(ada.post("grants", {"person": "ben", "role": "deployer", **where}), 409, "not-possible")
    assert ada.post("grants", {"person": "ben", "role": "viewer", **where}).json()["id"] == made.json()["id"]
    assert [row["role"] for row in ada.get("grants", person="ben").json()["items"]] == ["viewer"]
    assert ada.get("grants", team="none").json()["items"] == []
    assert ada.delete(f"grants/{made.json()['id']}").status_code == 204
    check_problem(ada.delete(f"grants/{made.json()['id']}"), 404, "not-found")


def test_what_is_not_there_or_can_not_be_changes_nothing(ada: API) -> None:
    make_user(username="ben")
    for body in (
        {"person": "ben", "role": "deployer"},  # where is not told
        {"role": "deployer", **EVERYWHERE},
        {"person": "ben", "team": "payments", "role": "deployer", **EVERYWHERE},
        {"person": "ben", "role": "guest", **EVERYWHERE},
    ):
        check_problem(ada.post("grants", body), 400, "unacceptable")
    for names in ({"person": "nobody"}, {"team": "nobody"}, {"person": "ben", "application": "none"}):
        check_problem(ada.post("grants", {"role": "viewer", **EVERYWHERE, **names}), 404, "not-found")
    check_problem(ada.post("people", {"username": "ben"}), 409, "taken")
    check_problem(ada.post("people", {"username": "_ben"}), 400, "wrong-values")
    check_problem(ada.put("teams/none", {"name": "other"}), 404, "not-found")
    ada.post("teams", {"name": "payments"})
    check_problem(ada.post("teams", {"name": "payments"}), 409, "taken")
    check_problem(ada.put("teams/payments/members/nobody", {}), 404, "not-found")
    User.objects.filter(username="ben").update(is_active=False)
    check_problem(ada.put("teams/payments/members/ben", {}), 409, "not-possible")
    check_problem(ada.post("people/ben/link"), 409, "not-possible")
    assert not Grant.objects.exists()


def test_what_everyone_may_and_what_is_protected(ada: API) -> None:
    assert ada.get("everyone").json() == {"unprotected": "viewer", "protected": "viewer"}
    chosen = {"unprotected": "deployer", "protected": "viewer"}
    assert ada.put("everyone", chosen).json() == chosen == ada.get("everyone").json()
    check_problem(ada.put("everyone", {"unprotected": "viewer", "protected": "deployer"}), 400, "wrong-values")
    assert str(DefaultRoles.objects.get()) == "deployer, protected: viewer"
    make_environment(name="production")
    for _ in range(2):
        assert ada.put("environments/production/protected", {"protected": True}).status_code == 200
    assert Environment.objects.get().protected
    assert Event.objects.filter(kind="environment.protected").count() == 1


def test_who_administers_one_application_gives_roles_there_alone() -> None:
    shop = make_application(name="shop")
    make_application(name="mail")
    make_environment(name="staging")
    eve = make_user(username="eve", role="viewer")
    Grant.objects.create(person=eve, role="administrator", application=shop)
    caller = api_of(user=eve)
    make_user(username="ben")
    assert (
        caller.post("grants", {"person": "ben", "role": "deployer", **EVERYWHERE, "application": "shop"}).status_code
        == 201
    )
    for place in ({"application": "mail"}, {"environment": "staging"}, {}):
        body = {"person": "ben", "role": "deployer", **EVERYWHERE, **place}
        check_problem(caller.post("grants", body), 403, "not-allowed")
    other = Grant.objects.create(person=eve, role="viewer", environment=Environment.objects.get())
    assert {row["application"] for row in caller.get("grants").json()["items"]} == {"shop"}
    check_problem(caller.delete(f"grants/{other.pk}"), 404, "not-found")
    check_problem(caller.put("people/eve", {"role": "administrator"}), 403, "not-allowed")
