"""Signing in and out."""

import pytest
from django.test import Client

from notifications.models import Event
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> None:
    builders.make_user(username="ada", password="correct horse")


@pytest.mark.usefixtures("person")
class TestSignIn:
    def test_it_signs_in_and_goes_on_to_where_one_wanted(self, client: Client) -> None:
        facts = {"username": "ada", "password": "correct horse", "next": "/shop/staging/"}
        response = client.post("/signin", facts)
        assert response.headers["Location"] == "/shop/staging/"
        assert Event.objects.get(kind="signed_in").actor == "ada"

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_it_goes_nowhere_else(self, elsewhere: str, client: Client) -> None:
        facts = {"username": "ada", "password": "correct horse", "next": elsewhere}
        assert client.post("/signin", facts).headers["Location"] == "/"

    @pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "correct horse")])
    def test_it_does_not_tell_which_names_exist(self, name: str, password: str, client: Client) -> None:
        response = client.post("/signin", {"username": name, "password": password})
        assert response.status_code == 422
        assert "do not belong together" in response.content.decode()
        assert "_auth_user_id" not in client.session

    def test_a_person_who_is_signed_in_sees_no_form(self, client: Client) -> None:
        client.post("/signin", {"username": "ada", "password": "correct horse"})
        assert client.get("/signin").headers["Location"] == "/"

    def test_signing_out_ends_the_session(self, client: Client) -> None:
        client.post("/signin", {"username": "ada", "password": "correct horse"})
        assert client.post("/signout").headers["Location"] == "/signin"
        assert client.get("/").status_code == 302
        assert Event.objects.get(kind="signed_out").actor == "ada"

    def test_a_link_signs_nobody_out(self, client: Client) -> None:
        client.post("/signin", {"username": "ada", "password": "correct horse"})
        assert client.get("/signout").status_code == 405
        assert client.get("/").status_code == 200
