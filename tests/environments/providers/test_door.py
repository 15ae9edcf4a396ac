"""Signing in by a provider, as a browser does it; and each lie that a provider or a visitor may tell."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.test import Client
from pytest_django import Settings

from environments import access
from environments.models import Came, Identity, Role, SignInProvider, User
from environments.providers import asking, flow
from notifications.models import Event
from notifications.sentences import tell
from tests.environments.providers.provider import CLIENT, SECRET, Provider, key_of, sign
from tests.environments.providers.visiting import sign_in, way_back, way_out

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("row")]


def is_in(client: Client) -> bool:
    return bool(client.get("/settings").status_code == 200)


def refusal(answer: Any) -> str:
    """The words of the page that lets nobody in."""
    assert answer.status_code == 422
    assert answer.templates[0].name == "environments/signin.html"
    return str(answer.context["refused"])


class TestComingIn:
    def test_a_person_comes_in_and_goes_where_they_wanted(self, client: Client) -> None:
        assert "Sign in with Example Corp" in client.get("/signin?next=/waiting").content.decode()
        answer = sign_in(client, to="/waiting")
        assert (answer.status_code, answer["Location"]) == (302, "/waiting")
        assert is_in(client)
        zoe = User.objects.get(username="zoe")
        assert (zoe.full_name, zoe.email, zoe.has_usable_password()) == ("Zoe Example", "", False)
        told = [tell(event).text for event in Event.objects.filter(kind__in=("person.came", "signed_in"))]
        assert sorted(told) == ["zoe came in by Example Corp for the first time.", "zoe signed in by Example Corp."]

    def test_what_is_asked_binds_the_answer(self, client: Client, corp: Provider) -> None:
        said = {name: values[0] for name, values in parse_qs(urlsplit(way_out(client)).query).items()}
        assert said["response_type"] == "code"
        assert (said["client_id"], said["scope"]) == (CLIENT, "openid profile email")
        assert said["redirect_uri"] == "http://localhost:8000/signin/with/corp/back"
        assert said["code_challenge_method"] == "S256"
        assert len({said["state"], said["nonce"], said["code_challenge"]}) == 3
        assert min(len(said[name]) for name in ("state", "nonce", "code_challenge")) >= 43

    def test_the_second_time_it_is_the_same_person_under_whatever_name(self, client: Client, corp: Provider) -> None:
        sign_in(client)
        corp.people["zoe"].claims |= {"preferred_username": "ada", "name": "Zoe Married"}
        assert sign_in(Client()).status_code == 302
        assert User.objects.count() == 2
        assert Identity.objects.get().user.username == "zoe"

    def test_a_name_that_is_taken_leads_to_no_account(self, client: Client, corp: Provider) -> None:
        corp.add("ada")
        sign_in(client, "ada")
        assert client.get("/settings").context["user"].username == "ada-2"

    def test_what_the_id_token_leaves_out_is_asked_of_userinfo(self, client: Client, corp: Provider) -> None:
        corp.thin = True
        sign_in(client)
        assert Identity.objects.get().groups == ["nothing-special", "shop-people"]
        assert User.objects.filter(username="zoe").exists()

    def test_the_button_leads_nowhere_else(self, client: Client) -> None:
        for elsewhere in ("https://evil.example", "//evil.example", "javascript:alert(1)"):
            assert sign_in(Client(), to=elsewhere)["Location"] == "/"

    def test_who_is_switched_off_is_not_there(self, client: Client, row: SignInProvider) -> None:
        back = way_back(way_out(client))
        SignInProvider.objects.update(enabled=False)
        assert client.get(back).status_code == 404
        assert client.get("/signin/with/corp").status_code == 404
        assert "Example Corp" not in client.get("/signin").content.decode()
        assert not is_in(client)

    def test_a_newcomer_looks_and_deploys_nothing(self, client: Client, settings: Settings) -> None:
        settings.EVERYONE = "deployer"
        sign_in(client)
        zoe = User.objects.get(username="zoe")
        assert (zoe.role, zoe.came) == (Role.VIEWER, Came.WAITING)
        assert access.allows(zoe, access.VIEW)
        assert not access.allows_somewhere(zoe, access.DEPLOY)

    def test_a_person_who_is_disabled_here_does_not_come_in(self, client: Client) -> None:
        sign_in(client)
        User.objects.filter(username="zoe").update(is_active=False)
        other = Client()
        assert "zoe is disabled here" in refusal(sign_in(other))
        assert not is_in(other)


def none_at_all(said: dict[str, Any]) -> str:
    return jwt.encode(said, "", "none")


def by_the_secret(said: dict[str, Any]) -> str:
    """What whoever knows the client's secret could make."""
    return jwt.encode(said, SECRET * 2, "HS256", headers={"kid": "one"})


def by_the_public_key(said: dict[str, Any]) -> str:
    """The public key, taken for a shared secret."""
    numbers = key_of("its own").public_key().public_numbers()
    return jwt.encode(said, str(numbers.n) * 2, "HS256", headers={"kid": "one"})


SIGNED_SO: dict[str, tuple[Callable[[dict[str, Any]], str], str]] = {
    "by another key": (lambda said: sign(said, key=key_of("another")), "not by the provider's key"),
    "by nobody": (none_at_all, "'none', which proves nothing"),
    "by the client's secret": (by_the_secret, "'HS256', which proves nothing"),
    "by the public key": (by_the_public_key, "'HS256', which proves nothing"),
    "with a key that it has not": (lambda said: sign(said, kid="two"), "no key of its own"),
    "by another algorithm": (lambda said: sign(said, algorithm="PS256"), "of another kind than its key"),
    "not at all": (lambda said: "one.two.three", "is none"),
}

SAID_SO: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "of somebody else"}, "(nonce)"),
    "no nonce": ({"nonce": None}, "(nonce)"),
    "another audience": ({"aud": "another-client"}, "(aud)"),
    "many audiences, another party": ({"aud": [CLIENT, "other"], "azp": "other"}, "(azp)"),
    "many audiences, no party": ({"aud": [CLIENT, "other"]}, "(azp)"),
    "another issuer": ({"iss": "https://accounts.example.net"}, "(iss)"),
    "a part of the issuer": ({"iss": "http://127.0.0.1"}, "(iss)"),
    "over": ({"exp": time.time() - 120}, "(exp)"),
    "of tomorrow": ({"iat": time.time() + 86_400}, "(iat or nbf)"),
    "no end": ({"exp": None}, "does not say its exp"),
    "nobody": ({"sub": ""}, "(sub)"),
    "somebody with 300 letters": ({"sub": "x" * 300}, "(sub)"),
}


class TestLies:
    @pytest.mark.parametrize("how", SIGNED_SO)
    def test_a_signature_that_is_none(self, how: str, client: Client, corp: Provider) -> None:
        corp.signs, words = SIGNED_SO[how]
        assert words in refusal(sign_in(client))
        assert not is_in(client)
        assert not Identity.objects.exists()

    @pytest.mark.parametrize("what", SAID_SO)
    def test_a_claim_that_is_not_so(self, what: str, client: Client, corp: Provider) -> None:
        lie, words = SAID_SO[what]
        corp.alters = lambda said: said.update(lie)
        assert words in refusal(sign_in(client))
        assert not is_in(client)
        assert not Identity.objects.exists()
        told = tell(Event.objects.get(kind="signin.refused"))
        assert told.text.startswith("Example Corp let nobody in: Its id_token")
        assert told.tone == "bad"

    def test_an_answer_that_nobody_asked_for(self, client: Client, corp: Provider) -> None:
        """A link that signs its reader in as somebody else."""
        somebody_else = way_back(way_out(Client()))
        assert "(state)" in refusal(client.get(somebody_else))
        assert "(state)" in refusal(client.get(somebody_else.replace("state=", "other=")))
        assert not is_in(client)
        assert "/token" not in corp.asked

    def test_an_answer_opens_once(self, client: Client, corp: Provider) -> None:
        back = way_back(way_out(client))
        assert client.get(back).status_code == 302
        assert "(state)" in refusal(client.get(back))
        client.post("/signout")
        assert "(state)" in refusal(client.get(back))
        assert not is_in(client)

    def test_a_code_opens_once(self, client: Client, corp: Provider) -> None:
        """The code of before, with an answer of now."""
        first, second = way_back(way_out(client)), way_back(way_out(client))
        assert client.get(first).status_code == 302
        code = parse_qs(urlsplit(first).query)["code"][0]
        other = parse_qs(urlsplit(second).query)["code"][0]
        assert "used already" in refusal(client.get(second.replace(other, code)))

    def test_a_code_of_another_browser_does_not_fit(self, client: Client, corp: Provider) -> None:
        """Somebody has read the code on its way: without the verifier it opens nothing."""
        stolen = parse_qs(urlsplit(way_back(way_out(Client()))).query)["code"][0]
        mine = way_back(way_out(client))
        code = parse_qs(urlsplit(mine).query)["code"][0]
        assert "used already, or is too old" in refusal(client.get(mine.replace(code, stolen)))
        assert not is_in(client)

    def test_an_answer_after_ten_minutes(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        back, now = way_back(way_out(client)), time.time()
        monkeypatch.setattr(f"{flow.__name__}.time.time", lambda: now + flow.SECONDS + 1)
        assert "(state)" in refusal(client.get(back))

    @pytest.mark.parametrize("issuer", ["https://accounts.example.net", ""])
    def test_an_answer_of_another_issuer(self, issuer: str, client: Client, corp: Provider) -> None:
        back = way_back(way_out(client)).partition("&iss=")[0] + (f"&iss={issuer}" if issuer else "")
        assert "(iss)" in refusal(client.get(back))
        assert "/token" not in corp.asked

    def test_userinfo_about_somebody_else(self, client: Client, corp: Provider) -> None:
        corp.thin, corp.userinfo_sub = True, "id-of-the-boss"
        assert "another person" in refusal(sign_in(client))
        assert not is_in(client)

    def test_metadata_of_another_issuer(self, client: Client, corp: Provider) -> None:
        corp.alters_metadata = lambda said: said.update(issuer="https://accounts.example.net")
        assert "calls itself https://accounts.example.net" in refusal(client.get("/signin/with/corp"))

    @pytest.mark.parametrize(
        "address", ["http://169.254.169.254/token", "http://idp.example.com/token", "file:///etc/passwd", "//x", "", 7]
    )
    def test_metadata_that_lead_elsewhere(self, address: Any, client: Client, corp: Provider) -> None:
        corp.alters_metadata = lambda said: said.update(token_endpoint=address)
        assert "token_endpoint" in refusal(client.get("/signin/with/corp"))

    def test_what_it_refuses_is_told(self, client: Client) -> None:
        state = parse_qs(urlsplit(way_out(client)).query)["state"][0]
        said = {"state": state, "iss": SignInProvider.objects.get().issuer}
        answer = client.get("/signin/with/corp/back", said | {"error": "access_denied"})
        assert "did not let you through" in refusal(answer)
        state = parse_qs(urlsplit(way_out(client)).query)["state"][0]
        more = {"state": state, "error": "invalid_scope", "error_description": "<b>no</b>\x00such scope"}
        page = client.get("/signin/with/corp/back", said | more)
        assert "refused: invalid_scope (<b>no</b>such scope)" in refusal(page)
        assert "<b>no" not in page.content.decode()


class TestTrouble:
    def test_who_does_not_answer_is_told_within_seconds(
        self, client: Client, corp: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert asking.SECONDS == 5.0
        asks = asking.ask
        monkeypatch.setattr(asking, "ask", lambda url, **more: asks(url, **(more | {"seconds": 0.3})))
        corp.holds = True
        answer = client.get("/signin/with/corp")
        assert "did not answer within" in refusal(answer)
        assert "signin-password" in answer.content.decode()
        assert "did not answer within" in SignInProvider.objects.get().trouble

    def test_who_is_down_is_told_and_passwords_let_in(self, client: Client, corp: Provider) -> None:
        SignInProvider.objects.update(issuer="http://127.0.0.1:9")
        assert "cannot be reached" in refusal(client.get("/signin/with/corp"))
        client.post("/signin", {"username": "ada", "password": "a long enough sentence"})
        assert is_in(client)

    def test_who_leads_elsewhere_is_not_followed(self, client: Client, corp: Provider) -> None:
        corp.led_to = f"{corp.address}/secret"
        assert "redirects, which is not followed" in refusal(client.get("/signin/with/corp"))
        assert "/secret" not in corp.asked

    @pytest.mark.parametrize("address", ["http://169.254.169.254", "https://169.254.169.254", "https://[fe80::1]"])
    def test_where_clouds_keep_credentials_nobody_is_asked(self, address: str, client: Client) -> None:
        SignInProvider.objects.update(issuer=address)
        assert refusal(client.get("/signin/with/corp"))

    def test_a_wrong_secret_is_told(self, client: Client, corp: Provider) -> None:
        SignInProvider.objects.update(secret="")
        assert "does not take our client id and secret" in refusal(sign_in(client))

    def test_refusals_do_not_fill_the_trail(self, client: Client) -> None:
        for _ in range(33):
            client.get("/signin/with/corp/back?state=x")
        assert Event.objects.filter(kind="signin.refused").count() == 30
