"""Setting providers up and testing them, by verb, page, API and shell; and whom passwords let in."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from environments import access, mail, people, teams
from environments.models import GroupMapping, Identity, Role, SignInProvider, SignInRules, User
from environments.providers import keeping, passwords, testing
from environments.providers.errors import AlreadySo, LastWay, ProviderTaken, ProviderWrong
from environments.providers.keeping import Plan
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.environments.providers.provider import CLIENT, SECRET, Provider, key_of, sign
from tests.environments.providers.visiting import sign_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
GOOD: dict[str, Any] = {"name": "corp", "title": "Corp", "issuer": "https://id.example.com", "client_id": "c"}


@pytest.fixture
def cyd() -> User:
    return builders.make_user(username="cyd", role=Role.MAINTAINER, password=PASSWORD, email="cyd@example.com")


class TestKeeping:
    def test_the_secret_is_sealed_and_told_nowhere(self, ada: User, client: Client) -> None:
        made = keeping.add(Plan(**GOOD, secret="of the client"), by=ada)
        assert "of the client" not in made.secret
        client.force_login(ada)
        pages = client.get("/settings/sign-in").content + client.get("/settings/sign-in/of/corp").content
        assert b"of the client" not in pages + api_of(user=ada).get("sign-in/providers").content
        assert "of the client" not in str(list(Event.objects.values_list("facts", flat=True)))
        assert "of the client" not in repr(Plan(**GOOD, secret="of the client"))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("issuer", value) for value in ("", "id.example.com", "http://id.example.com", "https://a@b/", "https://x/#y")]
        + [("issuer", "https://x/.well-known/openid-configuration"), ("issuer", "https://x/?a=b"), ("name", "A b")]
        + [("title", " "), ("title", "x" * 61), ("title", "a\x00b"), ("client_id", ""), ("scopes", "profile email")]
        + [("lets_in", "anybody"), ("domains", "x" * 1001), ("secret", "a\nb"), ("name", "../x")],
    )
    def test_what_cannot_be_is_told_by_its_field(self, field: str, value: str, ada: User) -> None:
        with pytest.raises(ProviderWrong) as refused:
            keeping.add(Plan(**GOOD | {field: value}), by=ada)
        assert list(refused.value.problems) == [field]
        assert str(refused.value).endswith("Nothing was saved.")
        assert not SignInProvider.objects.exists()

    def test_another_issuer_gets_no_secret_and_no_people(self, ada: User) -> None:
        made = keeping.add(Plan(**GOOD, secret="s"), by=ada)
        moved = Plan(**GOOD | {"issuer": "https://evil.example"})
        with pytest.raises(ProviderWrong, match="anew"):
            keeping.change(made, moved, by=ada)
        Identity.objects.create(provider=made, subject="1", user=ada)
        with pytest.raises(ProviderWrong, match="somebody else at another issuer"):
            keeping.change(made, Plan(**GOOD | {"issuer": "https://evil.example", "secret": "s"}), by=ada)
        made.refresh_from_db()
        assert made.issuer == "https://id.example.com"

    def test_a_change_is_told(self, ada: User) -> None:
        made = keeping.add(Plan(**GOOD), by=ada)
        keeping.change(made, Plan(**GOOD | {"title": "Corporation", "enabled": False, "secret": "s"}), by=ada)
        told = [tell(event).text for event in Event.objects.filter(kind__startswith="provider.").order_by("pk")]
        assert told == [
            "ada set up signing in by Corp, which is https://id.example.com.",
            "ada changed signing in by Corporation: title, enabled, secret.",
        ]
        with pytest.raises(ProviderTaken):
            keeping.add(Plan(**GOOD), by=ada)

    def test_only_administrators_may(self, ada: User, cyd: User) -> None:
        made = keeping.add(Plan(**GOOD), by=ada)
        verbs: list[Callable[[], object]] = [
            lambda: keeping.add(Plan(**GOOD | {"name": "other"}), by=cyd),
            lambda: keeping.change(made, Plan(**GOOD | {"title": "x"}), by=cyd),
            lambda: keeping.remove(made, by=cyd),
            lambda: testing.try_out(made, by=cyd),
            lambda: passwords.set_for_all(False, by=cyd),
            lambda: keeping.unlink(Identity.objects.create(provider=made, subject="1", user=cyd), by=cyd),
        ]
        for verb in verbs:
            with pytest.raises(access.NotAllowed):
                verb()
        assert SignInProvider.objects.get().title == "Corp"


class TestTesting:
    def tones(self, row: SignInProvider, ada: User) -> dict[str, str]:
        return {one.words: one.tone for one in testing.try_out(row, by=ada)}

    def test_all_is_well(self, row: SignInProvider, ada: User) -> None:
        found = self.tones(row, ada)
        assert set(found.values()) == {"ok"}
        assert "It takes our client id and secret." in found
        row.refresh_from_db()
        assert (row.trouble, row.asked_at is not None) == ("", True)

    @pytest.mark.parametrize(
        ("lie", "tone", "words"),
        [
            ({"issuer": "https://other.example"}, "bad", "It calls itself https://other.example"),
            ({"jwks_uri": None}, "bad", "does not say its jwks_uri"),
            ({"jwks_uri": "http://id.example.com/keys"}, "bad", "must begin with https"),
            ({"response_types_supported": ["id_token"]}, "bad", "authorization code flow"),
            ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "bad", "It signs by HS256, none"),
            ({"code_challenge_methods_supported": ["plain"]}, "warn", "nothing of PKCE"),
            ({"scopes_supported": ["openid"]}, "warn", "scopes profile, email"),
            ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "bad", "private_key_jwt alone"),
            ({"end_session_endpoint": None}, "warn", "how to sign out there"),
        ],
    )
    def test_each_fault_is_told(
        self, lie: dict[str, Any], tone: str, words: str, row: SignInProvider, corp: Provider, ada: User
    ) -> None:
        corp.alters_metadata = lambda said: said.update(lie)
        found = self.tones(row, ada)
        assert [one for text, one in found.items() if words in text] == [tone]
        row.refresh_from_db()
        assert (words in row.trouble) == (tone == "bad")

    def test_a_client_that_it_does_not_take_is_told(self, row: SignInProvider, ada: User) -> None:
        SignInProvider.objects.update(client_id="somebody-else")
        row.refresh_from_db()
        found = self.tones(row, ada)
        assert [text for text, tone in found.items() if tone == "bad"] == [
            "It does not take our client id and secret (invalid_client). Compare both with what it shows."
        ]

    def test_who_is_down_is_told(self, row: SignInProvider, corp: Provider, ada: User) -> None:
        corp.status = 503
        assert list(self.tones(row, ada).values()) == ["bad"]

    def test_the_page_shows_each_finding(self, row: SignInProvider, ada: User, client: Client) -> None:
        client.force_login(ada)
        page = client.post("/settings/sign-in/of/corp/test").content.decode()
        assert "It takes our client id and secret." in page
        assert "http://localhost:8000/signin/with/corp/back" in page


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
        self, limited: None, cyd: User, ada: User, settings: Settings, mailoutbox: list[EmailMessage]
    ) -> None:
        settings.EMAIL_HOST = "mail.example.com"
        words = people.words_of(cyd)
        with pytest.raises(people.NoPasswords):
            people.link_of(cyd, by=ada)
        with pytest.raises(people.NoPasswords):
            people.join(*words, "another long sentence")
        mail.ask_for_link(RequestFactory().post("/signin/forgotten"), "cyd")
        assert not mailoutbox
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


class TestDoors:
    def test_pages(self, corp: Provider, ada: User, client: Client) -> None:
        client.force_login(ada)
        assert "No sign-in provider yet" in client.get("/settings/sign-in").content.decode()
        typed = {"name": "corp", "title": "Corp", "issuer": corp.address, "client_id": CLIENT, "secret": SECRET}
        more = {"scopes": "openid", "groups_claim": "groups", "lets_in": "everyone"}
        wrong = client.post("/settings/sign-in/add", typed | more | {"issuer": "id.example.com"})
        assert (wrong.status_code, SECRET in wrong.content.decode()) == (422, False)
        assert client.post("/settings/sign-in/add", typed | more)["Location"] == "/settings/sign-in/of/corp"
        teams.make("painters", by=ada)
        client.post("/settings/sign-in/of/corp/groups/map", {"group": "a", "means": "team painters"})
        client.post("/settings/sign-in/of/corp/groups/map", {"group": "a", "means": "role maintainer"})
        meanings = sorted(map(keeping.meaning_of, GroupMapping.objects.all()))
        assert meanings == ["the role maintainer", "the team painters"]
        page = client.get("/settings/sign-in/of/corp").content.decode()
        assert "maintainer" in page
        client.post("/settings/sign-in/of/corp", typed | more | {"secret": "", "title": "Other", "enabled": "yes"})
        row = SignInProvider.objects.get()
        assert (row.title, row.enabled, row.secret != "") == ("Other", True, True)
        for mapping in GroupMapping.objects.all():
            client.post(f"/settings/sign-in/of/corp/groups/{mapping.pk}/unmap")
        assert not GroupMapping.objects.exists()
        assert client.post("/settings/sign-in/of/corp/remove")["Location"] == "/settings/sign-in"
        assert not SignInProvider.objects.exists()

    def test_no_page_asks_more_with_more_people(self, row: SignInProvider, ada: User, client: Client) -> None:
        client.force_login(ada)
        for number in range(30):
            person = builders.make_user(role=Role.VIEWER)
            Identity.objects.create(provider=row, subject=str(number), user=person, groups=[f"g{number}"])
            keeping.map_group(row, f"g{number}", role=Role.DEPLOYER, by=ada)
        for address in ("/settings/sign-in", "/settings/sign-in/of/corp", "/settings/people/of/ada"):
            with CaptureQueriesContext(connection) as asked:
                assert client.get(address).status_code == 200
            assert len(asked) <= 12, [query["sql"] for query in asked]

    def test_the_api(self, corp: Provider, ada: User) -> None:
        api = api_of(user=ada)
        said = {"name": "corp", "title": "Corp", "issuer": corp.address, "client_id": CLIENT, "secret": SECRET}
        made = api.post("sign-in/providers", said)
        assert (made.status_code, made.json()["callback"]) == (201, "http://localhost:8000/signin/with/corp/back")
        assert "secret" not in made.json()
        check_problem(api.post("sign-in/providers", said), 409, "taken")
        check_problem(api.post("sign-in/providers", said | {"name": "b", "issuer": "x"}), 400, "wrong-values")
        assert {one["tone"] for one in api.post("sign-in/providers/corp/test").json()["findings"]} == {"ok"}
        teams.make("painters", by=ada)
        mapped = api.post("sign-in/providers/corp/groups", {"group": "a", "team": "painters"})
        assert (mapped.status_code, mapped.json()["team"]) == (201, "painters")
        again = api.post("sign-in/providers/corp/groups", {"group": "a", "team": "painters"})
        check_problem(again, 409, "not-possible")
        check_problem(api.post("sign-in/providers/corp/groups", {"group": "a", "team": "absent"}), 404, "not-found")
        check_problem(api.post("sign-in/providers/corp/groups", {"group": "a", "role": "king"}), 400, "wrong-values")
        assert [one["group"] for one in api.get("sign-in/providers/corp/groups").json()["items"]] == ["a"]
        for _ in range(2):  # doing it twice is harmless
            assert api.put("sign-in/passwords", {"whom": "administrators"}).json() == {"whom": "administrators"}
        assert api.put("sign-in/passwords", {"whom": "everyone"}).json() == {"whom": "everyone"}
        kept = {name: value for name, value in said.items() if name not in ("name", "secret")}
        assert api.put("sign-in/providers/corp", kept | {"enabled": False}).json()["enabled"] is False
        check_problem(api.put("sign-in/passwords", {"whom": "administrators"}), 409, "not-possible")
        assert api.delete(f"sign-in/providers/corp/groups/{mapped.json()['id']}").status_code == 204
        check_problem(api.delete(f"sign-in/providers/corp/groups/{mapped.json()['id']}"), 404, "not-found")
        assert api.delete("sign-in/providers/corp").status_code == 204
        check_problem(api.delete("sign-in/providers/corp"), 404, "not-found")

    def test_the_shell(self, corp: Provider, ada: User, cyd: User, tmp_path: Path) -> None:
        def run(*words: str) -> str:
            out = io.StringIO()
            call_command("signin-provider", *words, stdout=out)
            return out.getvalue()

        (tmp_path / "secret").write_text(f"{SECRET}\n")
        where = ["--issuer", corp.address, "--client-id", CLIENT, "--secret-file", str(tmp_path / "secret")]
        assert "/signin/with/corp/back" in run("set", "corp", "--title", "Corp", *where)
        assert "It takes our client id" in run("test", "corp")
        assert "means the role administrator" in run("map", "corp", "admins", "role:administrator")
        run("set", "corp", "--title", "Example", "--links-by-mail")
        row = SignInProvider.objects.get()
        assert (row.title, row.links_by_mail, row.client_id, row.secret != "") == ("Example", True, CLIENT, True)
        run("test", "corp")
        run("passwords", "administrators")
        listed = run("list")
        assert "Passwords let administrators alone in." in listed
        assert "admins means the role administrator" in listed
        run("unmap", "corp", "admins", "role:administrator")
        corp.status = 500
        with pytest.raises(CommandError, match="answers 500"):
            run("test", "corp")
        run("passwords", "everyone")  # the way out
        assert passwords.are_for_all()
        run("disable", "corp")
        assert "switched off" in run("list")
        run("enable", "corp")
        run("remove", "corp")
        for words in (["test", "corp"], ["map", "corp", "a", "king:x"], ["set", "x", "--title", "X"]):
            with pytest.raises(CommandError):
                run(*words)
