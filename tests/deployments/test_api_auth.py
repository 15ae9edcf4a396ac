"""Who is let into the API: tokens, and the session of our own pages."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from environments.models import Token, User
from tests.builders import make_token, make_user
from tests.deployments.api_client import api_of, check_problem

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "credentials", ["Bearer dpl_wrong", "Bearer ", "Bearer", "Basic YTpi", "dpl_x", "", "Bearer " + "x" * 10_000]
)
def test_wrong_credentials_open_nothing(credentials: str) -> None:
    check_problem(Client(headers={"Authorization": credentials}).get("/api/v1/deploys"), 401, "unauthenticated")


def test_wrong_credentials_are_not_mended_by_a_session() -> None:
    client = Client(headers={"Authorization": "Bearer dpl_wrong"})
    client.force_login(make_user())
    check_problem(client.get("/api/v1/deploys"), 401, "unauthenticated")


def test_a_token_of_someone_disabled_opens_nothing() -> None:
    user = make_user()
    caller = api_of(user=user)
    assert caller.get("deploys").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    check_problem(caller.get("deploys"), 401, "unauthenticated")


def test_a_revoked_token_opens_nothing() -> None:
    caller = api_of()
    Token.objects.all().delete()
    check_problem(caller.get("deploys"), 401, "unauthenticated")


class TestSession:
    """Our own pages may use the API with their session: to change something, with the CSRF token and from here."""

    @pytest.fixture
    def visitor(self) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user())
        return client

    def csrf(self, visitor: Client, settings: Settings) -> dict[str, str]:
        visitor.get("/signin")
        page = visitor.get("/").content.decode()
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert found, "No page carries a CSRF token."
        return {"X-CSRFToken": found[1]}

    def test_it_reads(self, visitor: Client) -> None:
        assert visitor.get("/api/v1/deploys").status_code == 200

    def test_it_changes_nothing_without_the_csrf_token(self, visitor: Client) -> None:
        check_problem(visitor.post("/api/v1/deploys/1/cancel"), 403, "csrf")

    def test_it_changes_something_with_it(self, visitor: Client, settings: Settings) -> None:
        headers = self.csrf(visitor, settings)
        check_problem(visitor.post("/api/v1/deploys/1/cancel", headers=headers), 404, "not-found")

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example"])
    def test_it_changes_nothing_from_another_site(self, origin: str, visitor: Client, settings: Settings) -> None:
        headers = {**self.csrf(visitor, settings), "Origin": origin}
        check_problem(visitor.post("/api/v1/deploys/1/cancel", headers=headers), 403, "csrf")

    def test_a_token_needs_no_csrf(self) -> None:
        visitor = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {make_token()}"})
        check_problem(visitor.post("/api/v1/deploys/1/cancel"), 404, "not-found")

    def test_someone_disabled_is_out_at_once(self, visitor: Client) -> None:
        User.objects.update(is_active=False)
        check_problem(visitor.get("/api/v1/deploys"), 401, "unauthenticated")
