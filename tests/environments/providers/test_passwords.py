"""Whom passwords let in, and what is beside them: second factors, signing out."""

import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from environments import mail, people
from environments.models import Role, SignInProvider, SignInRules, User
from environments.providers import passwords, testing
from environments.providers.errors import AlreadySo, LastWay
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.environments.providers.provider import CLIENT, Provider, key_of, sign
from tests.environments.providers.visiting import sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
GOOD: dict[str, Any] = {"name": "corp", "title": "Corp", "issuer": "https://id.example.com", "client_id": "c"}


@pytest.fixture
def cyd() -> User:
    return builders.make_user(username="cyd", role=Role.MAINTAINER, password=PASSWORD, email="cyd@example.com")


class TestPasswords:
    @pytest.fixture
    def limited(self, row: SignInProvider, ada: User) -> None:
        testing.try_out(row, by=ada)
        passwords.set_for_all(False, by=ada)

    def let_in(self, name: str, password: str = PASSWORD) -> bool:
        return authenticate(RequestFactory().post("/signin"), username=name, password=password) is not None

    def test_they_let_administrators_alone_in(self, limited: None, cyd: User, client: Client) -> None:
        assert self.let_in("ada")
        assert not self.let_in("cyd")
        answer = client.post("/signin", {"username": "cyd", "password": PASSWORD})
        assert (answer.status_code, "do not belong together" in answer.content.decode()) == (422, True)
        assert "With a password: administrators" in client.get("/signin").content.decode()
        told = tell(Event.objects.get(kind="passwords.changed")).text
        assert told == "ada said that passwords let administrators alone in."

    def test_whom_they_mean_cannot_be_told_from_the_work(self, limited: None, cyd: User) -> None:
        counted = set()
        for name, password in (("ada", "wrong"), ("cyd", "wrong"), ("cyd", PASSWORD), ("nobody", "wrong")):
            with CaptureQueriesContext(connection) as asked:
                assert not self.let_in(name, password)
            counted.add(len(asked))
            AccessAttempt.objects.all().delete()
        assert len(counted) == 1

    def test_links_to_a_password_follow(
        self, limited: None, cyd: User, ada: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.EMAIL_HOST = "mail.example.com"
        words = people.words_of(cyd)
        with pytest.raises(people.NoPasswords):
            people.link_of(cyd, by=ada)
        with pytest.raises(people.NoPasswords):
            people.join(*words, "another long sentence")
        sent: list[User] = []
        monkeypatch.setattr(mail, "_send_quietly", sent.append)
        User.objects.filter(pk=ada.pk).update(email="ada@example.com")
        for name in ("cyd", "ada"):
            mail.ask_for_link(RequestFactory().post("/signin/forgotten"), name)
            for thread in threading.enumerate():
                if thread.name == "mail":
                    thread.join(60)
        assert sent == [ada]
        assert people.link_of(ada, by=ada)

    def test_as_long_as_no_provider_is_on_they_let_everyone_in(self, limited: None, cyd: User) -> None:
        SignInProvider.objects.update(enabled=False)
        assert self.let_in("cyd")
        SignInProvider.objects.all().delete()
        assert self.let_in("cyd")

    def test_the_last_way_in_is_not_closed(self, row: SignInProvider, ada: User) -> None:
        with pytest.raises(LastWay, match="Test one first"):
            passwords.set_for_all(False, by=ada)
        testing.try_out(row, by=ada)
        ada.set_unusable_password()
        ada.save()
        with pytest.raises(LastWay, match="No administrator has a password"):
            passwords.set_for_all(False, by=ada)
        assert not SignInRules.objects.filter(passwords_for_all=False).exists()
        with pytest.raises(AlreadySo):
            passwords.set_for_all(True, by=ada)


class TestBesides:
    def test_a_second_factor_that_was_shown_there_is_not_asked_here(
        self, client: Client, corp: Provider, row: SignInProvider, settings: Settings
    ) -> None:
        settings.SECOND_FACTOR = "everyone"
        sign_in(client)
        assert client.get("/waiting")["Location"] == "/settings/second-factor"
        page = client.get("/settings/second-factor").content.decode()
        assert "Sign in anew" not in page  # they have, just now
        corp.people["zoe"].claims["amr"] = ["pwd", "mfa"]
        other = Client()
        sign_in(other)
        assert other.get("/waiting").status_code == 200
        corp.people["zoe"].claims |= {"amr": ["pwd"], "acr": "gold"}
        SignInProvider.objects.update(second_factors="silver gold")
        third = Client()
        assert "acr_values=silver+gold" in third.get("/signin/with/corp")["Location"]
        sign_in(third)
        assert third.get("/waiting").status_code == 200

    def test_who_has_one_here_shows_it(
        self, client: Client, corp: Provider, row: SignInProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sign_in(client)
        monkeypatch.setattr("environments.second_factors.has_one", lambda person: True)
        other = Client()
        assert sign_in(other)["Location"] == "/signin/second"
        assert other.get("/settings").status_code == 302
        assert "Example Corp knows you." in other.get("/signin/second").content.decode()

    def test_who_signed_in_there_long_ago_proves_it_anew_before_factors_change(
        self, client: Client, corp: Provider, row: SignInProvider
    ) -> None:
        corp.alters = lambda said: said.update(auth_time=said["iat"] - 3600)
        sign_in(client)
        page = client.get("/settings/second-factor").content.decode()
        assert "Sign in anew with Example Corp" in page
        assert 'id="password"' not in page
        out = client.get("/signin/with/corp?fresh&next=/settings/second-factor")["Location"]
        assert "prompt=login&max_age=0" in out
        corp.alters = lambda said: None
        back = corp.sign_in(_question(out), "zoe", "correct horse").removeprefix("http://localhost:8000")
        assert client.get(back)["Location"] == "/settings/second-factor"
        assert "Sign in anew" not in client.get("/settings/second-factor").content.decode()

    def test_signing_out_offers_to_sign_out_there(self, client: Client, corp: Provider, row: SignInProvider) -> None:
        sign_in(client)
        answer = client.post("/signout")
        assert answer["Location"] == "/signin?left=corp"
        page = client.get(answer["Location"]).content.decode()
        assert "Sign out there too" in page
        there = client.get("/signin/with/corp/leave")["Location"]
        assert there.startswith(f"{corp.address}/leave?client_id={CLIENT}&post_logout_redirect_uri=")
        assert client.get("/settings").status_code == 302

    def test_another_key_with_the_same_name_is_noticed_after_a_change(
        self, client: Client, corp: Provider, row: SignInProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Keys are asked for each time: one that was changed in a hurry opens at once, and the old one no more."""
        old = key_of("its own")
        monkeypatch.setattr("tests.environments.providers.provider.key_of", lambda name: key_of("its next"))
        assert sign_in(client).status_code == 302
        corp.signs = lambda said: sign(said, key=old)
        assert "not by the provider's key" in sign_in(Client()).context["refused"]


def _question(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))
