"""Setting providers up by page, API and shell."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from environments import teams
from environments.models import GroupMapping, Identity, Role, SignInProvider, User
from environments.providers import keeping, passwords
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.environments.providers.provider import CLIENT, SECRET, Provider

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
GOOD: dict[str, Any] = {"name": "corp", "title": "Corp", "issuer": "https://id.example.com", "client_id": "c"}


@pytest.fixture
def cyd() -> User:
    return builders.make_user(username="cyd", role=Role.MAINTAINER, password=PASSWORD, email="cyd@example.com")


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
