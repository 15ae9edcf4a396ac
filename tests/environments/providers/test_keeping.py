"""Setting providers up and testing them, by verb, page, API and shell; and whom passwords let in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from environments import access
from environments.models import Identity, Role, SignInProvider, User
from environments.providers import keeping, passwords, testing
from environments.providers.errors import ProviderTaken, ProviderWrong
from environments.providers.keeping import Plan
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.deployments.api_client import api_of
from tests.environments.providers.provider import Provider

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
