"""Who may come in: invitations, roles, and the last administrator."""

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from environments import people, tokens
from environments.access import NotAllowed
from environments.models import Role, User
from notifications.models import Event
from tests import builders

PASSWORD = "a long enough sentence"
both = pytest.mark.both_databases


@pytest.fixture
def ada(db: None) -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


@both
def test_an_invited_person_chooses_a_password_once(ada: User) -> None:
    grace = people.invite(username="Grace.Hopper", full_name="Grace Hopper", role=Role.DEPLOYER, by=ada)
    assert (grace.username, grace.full_name, grace.role) == ("grace.hopper", "Grace Hopper", Role.DEPLOYER)
    assert not grace.has_usable_password()
    key, token = people.link_of(grace, by=ada)
    joined = people.join(key, token, PASSWORD)
    assert joined.check_password(PASSWORD)
    with pytest.raises(people.LinkSpent):
        people.join(key, token, "another long sentence")
    kinds = Event.objects.order_by("id").values_list("kind", "actor")
    told = [("person.invited", "ada"), ("person.link_made", "ada"), ("person.joined", "grace.hopper")]
    assert list(kinds) == told


@both
@pytest.mark.parametrize("name", ["", "Ada Marsh", "-ada", "a" * 65, "a\nb", "../ada", "ädä"])
def test_a_name_is_of_an_allow_list(name: str, ada: User) -> None:
    with pytest.raises(people.WrongName):
        people.invite(username=name, by=ada)


@both
def test_nobody_is_invited_twice(ada: User) -> None:
    with pytest.raises(people.NameTaken):
        people.invite(username="ada", by=ada)
    assert not Event.objects.filter(kind="person.invited").exists()


@pytest.mark.parametrize(
    ("key", "token"), [("", ""), ("MQ", "x"), ("!!", "x-y"), ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "a-b"), ("w6Q", "ä-ö")]
)
def test_a_made_up_link_opens_nothing(key: str, token: str, ada: User) -> None:
    with pytest.raises(people.LinkSpent):
        people.find_invited(key, token)


def test_a_link_is_void_when_its_person_is_disabled_or_has_signed_in(ada: User) -> None:
    grace = people.invite(username="grace", by=ada)
    key, token = people.link_of(grace, by=ada)
    people.disable(grace, by=ada)
    with pytest.raises(people.LinkSpent):
        people.find_invited(key, token)
    people.enable(grace, by=ada)
    assert people.find_invited(key, token) == grace
    Client().force_login(grace)
    with pytest.raises(people.LinkSpent):
        people.find_invited(key, token)


def test_a_link_is_void_after_three_days(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    grace = people.invite(username="grace", by=ada)
    key, token = people.link_of(grace, by=ada)
    later = datetime.now() + timedelta(days=3, minutes=1)
    monkeypatch.setattr(people._Links, "_now", lambda self: later)
    with pytest.raises(people.LinkSpent):
        people.find_invited(key, token)


def test_a_password_that_would_be_guessed_is_refused_and_the_link_stays_good(ada: User) -> None:
    grace = people.invite(username="grace.hopper", by=ada)
    key, token = people.link_of(grace, by=ada)
    for weak in ("short", "12345678901", "password", "grace.hopper"):
        with pytest.raises(people.WeakPassword):
            people.join(key, token, weak)
    assert people.join(key, token, PASSWORD) == grace


@both
def test_the_last_administrator_stays(ada: User) -> None:
    with pytest.raises(people.LastAdministrator):
        people.disable(ada, by=ada)
    with pytest.raises(people.LastAdministrator):
        people.set_role(ada, Role.VIEWER, by=ada)
    builders.make_user(username="off", role=Role.ADMINISTRATOR, is_active=False)  # one who is disabled does not count
    with pytest.raises(people.LastAdministrator):
        people.disable(ada, by=ada)
    ben = builders.make_user(username="ben", role=Role.ADMINISTRATOR)
    people.set_role(ada, Role.VIEWER, by=ben)
    ada.refresh_from_db()
    assert ada.role == Role.VIEWER
    with pytest.raises(people.LastAdministrator):
        people.disable(ben, by=ben)


@both
@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_remove_each_other_at_once_do_not_both_succeed() -> None:
    ada, ben = (builders.make_user(username=name, role=Role.ADMINISTRATOR) for name in ("ada", "ben"))
    gate, refused = threading.Barrier(2), []

    def remove(person: User, by: User) -> None:
        try:
            gate.wait(60)
            people.disable(person, by=by)
        except people.LastAdministrator as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in ((ada, ben), (ben, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 1
    assert User.objects.filter(is_active=True).count() == 1


@both
def test_a_superuser_whose_role_is_changed_is_what_the_role_says(ada: User) -> None:
    root = builders.make_user(username="root", role=Role.VIEWER, is_superuser=True)
    people.set_role(root, Role.VIEWER, by=ada)
    root.refresh_from_db()
    assert not root.is_superuser


@both
def test_only_administrators_do_any_of_this(ada: User) -> None:
    ben = builders.make_user(username="ben", role=Role.DEPLOYER)
    for act in (
        lambda: people.invite(username="eve", by=ben),
        lambda: people.link_of(ada, by=ben),
        lambda: people.set_role(ben, Role.ADMINISTRATOR, by=ben),
        lambda: people.disable(ada, by=ben),
        lambda: people.enable(ada, by=ben),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert not Event.objects.exists()


@both
def test_who_is_disabled_opens_nothing_with_a_token_either(ada: User) -> None:
    ben = builders.make_user(username="ben")
    plain = tokens.make(user=ben, name="build", days=30, scopes=["deploy"], by=ben)
    assert tokens.find(plain)
    people.disable(ben, by=ada)
    assert tokens.find(plain) is None


def test_changing_a_password_needs_the_present_one(ada: User) -> None:
    ada.set_password(PASSWORD)
    ada.save()
    with pytest.raises(people.WeakPassword, match="not your present password"):
        people.change_password(ada, old="wrong", new="another long sentence")
    people.change_password(ada, old=PASSWORD, new="another long sentence")
    assert ada.check_password("another long sentence")


class TestPages:
    def test_the_link_is_shown_once_and_leads_in(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        page = client.post(reverse("invite"), {"username": "grace", "full_name": "Grace Hopper", "role": "deployer"})
        assert page.headers["Cache-Control"] == "no-store"
        link = page.context["link"]
        assert link in page.content.decode()
        assert link not in client.get(reverse("settings-people")).content.decode()
        guest = Client()
        assert "Welcome, <bdi>Grace Hopper" in guest.get(link).content.decode()
        mistyped = guest.post(link, {"password": PASSWORD, "again": "x"})
        assert mistyped.status_code == 422
        assert guest.post(link, {"password": PASSWORD, "again": PASSWORD}).headers["Location"] == "/"
        assert guest.get("/").context["user"].username == "grace"
        assert Client().get(link).status_code == 410
        assert PASSWORD not in str(list(Event.objects.values_list("facts", flat=True)))

    def test_a_refusal_is_a_sentence_on_the_page(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        page = client.post(reverse("disable-person", args=["ada"]), follow=True)
        assert "ada is the last administrator" in page.content.decode()

    def test_other_sessions_end_with_a_new_password_and_this_one_stays(self, ada: User) -> None:
        ada.set_password(PASSWORD)
        ada.save()
        here, elsewhere = Client(), Client()
        for client in (here, elsewhere):
            client.force_login(ada)
        new = "another long sentence"
        here.post(reverse("change-password"), {"old": PASSWORD, "new": new, "again": new})
        assert here.get("/settings").status_code == 200
        assert elsewhere.get("/settings").status_code == 302
