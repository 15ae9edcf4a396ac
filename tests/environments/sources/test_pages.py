"""Settings → Host sources: looked at, saved, read, accepted and removed by its pages."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from environments.models import HostSource, Membership, Role
from environments.sources import keeping
from environments.sources.keeping import Plan
from tests.builders import make_environment, make_host, make_token, make_user, make_zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> Client:
    make_environment(name="staging")
    client.force_login(make_user(username="ada", role=Role.ADMINISTRATOR))
    return client


def rows(count: int) -> str:
    return "\n".join(f"deploy@10.0.0.{number} as web-{number}" for number in range(1, count + 1))


def form(lines: str, **more: str) -> dict[str, str]:
    facts = {"kind": "lines", "name": "fleet", "environment": "staging", "lines": lines, "user": "deploy"}
    return facts | {"share": "30", "every_minutes": "15", "act": "look"} | more


def make_source(count: int = 10) -> HostSource:
    plan = Plan("lines", {"lines": rows(count)}, name="fleet", environment="staging")
    return keeping.add(plan, by=None)[0]


def test_from_nothing_to_a_source_and_away_again(ada: Client) -> None:
    assert "No sources yet" in ada.get(reverse("settings-sources")).content.decode()
    add = reverse("add-source")
    assert "Hosts, one to a line" in ada.get(f"{add}?kind=lines").content.decode()
    seen = ada.post(add, form(rows(2))).content.decode()
    assert "2 added" in seen
    assert "web-2" in seen
    assert not HostSource.objects.exists()
    saved = ada.post(add, form(rows(2), act="save"), follow=True)
    assert "fleet is saved and followed: 2 added" in saved.content.decode()
    assert Membership.objects.filter(source="fleet").count() == 2
    assert "followed" in ada.get(reverse("settings-sources")).content.decode()
    assert (
        "fleet was read: nothing to change"
        in ada.post(reverse("refresh-source", args=["fleet"]), follow=True).content.decode()
    )
    gone = ada.post(reverse("remove-source", args=["fleet"]), {"hosts": "stay"}, follow=True)
    assert "Its hosts stay" in gone.content.decode()
    assert Membership.objects.filter(source="static").count() == 2


def test_what_is_wrong_is_marked_and_what_was_typed_stays(ada: Client) -> None:
    answer = ada.post(reverse("add-source"), form("deploy@10.0.0.1\nnonsense here", name="No Name", share="x"))
    said = answer.content.decode()
    assert answer.status_code == 422
    assert "can be no name" in said
    assert "whole number from 0 to 100" in said
    assert "nonsense here" in said
    said = ada.post(reverse("add-source"), form("deploy@10.0.0.1\nnonsense here")).content.decode()
    assert "Line 2" in said
    assert "1 added" in said
    assert ada.get(reverse("add-source") + "?kind=fortune").status_code == 404


def test_a_removal_is_shown_in_red_accepted_on_its_page_and_bound_to_what_was_seen(ada: Client) -> None:
    make_source()
    change = reverse("change-source", args=["fleet"])
    seen = ada.post(change, form(rows(4))).content.decode()
    assert "6 would leave" in seen
    assert "let exactly these 6 leave" in seen
    ada.post(change, form(rows(4), act="save"))
    assert Membership.objects.count() == 10
    page = ada.get(reverse("settings-source", args=["fleet"]))
    assert "Let 6 hosts leave" in page.content.decode()
    assert "would leave" in ada.get(reverse("settings-sources")).content.decode()
    place = ada.get(reverse("environment", args=["staging"])).content.decode()
    assert "It no longer names 6 of its 10 hosts" in place
    accept = reverse("accept-removal", args=["fleet"])
    for removal in ("", "0" * 20):
        refused = ada.post(accept, {"removal": removal}, follow=True).content.decode()
        assert "Nothing was changed" in refused or "says something else now" in refused
        assert Membership.objects.count() == 10
    told = ada.post(accept, {"removal": page.context["removal"]}, follow=True).content.decode()
    assert "6 hosts left staging" in told
    assert Membership.objects.count() == 4


def test_a_removal_may_be_accepted_with_saving(ada: Client) -> None:
    make_source()
    change = reverse("change-source", args=["fleet"])
    removal = ada.post(change, form(rows(4))).context["outcome"].difference.removal
    ada.post(change, form(rows(3), act="save", removal=removal))
    assert Membership.objects.count() == 10  # other hosts than those that were seen
    removal = ada.post(change, form(rows(4))).context["outcome"].difference.removal
    ada.post(change, form(rows(4), act="save", removal=removal))
    assert Membership.objects.count() == 4


def test_a_secret_is_never_sent_back(ada: Client) -> None:
    source = make_source()
    HostSource.objects.filter(pk=source.pk).update(kind="web", settings={"address": "https://x.example/"})
    keeping_secret = {"act": "look", "address": "https://x.example/", "secret": "hunter2", "share": "x"}
    answer = ada.post(reverse("change-source", args=["fleet"]), form("", kind="web", **keeping_secret))
    assert answer.status_code == 422
    assert "hunter2" not in answer.content.decode()


@pytest.mark.parametrize("name", ["settings-sources", "settings-source", "change-source"])
def test_queries_do_not_grow_with_hosts(name: str, ada: Client) -> None:
    make_source(3)
    args = [] if name == "settings-sources" else ["fleet"]
    ada.get(reverse(name, args=args))
    counts = []
    for count in (0, 30):
        for number in range(count):
            zone = make_zone(zone=f"z{number}")
            host = make_host(name=f"more-{number}", address=f"10.2.0.{number}", zone=zone)
            HostSource.objects.get().given.create(host=host, key=host.name)
        with CaptureQueriesContext(connection) as queries:
            assert ada.get(reverse(name, args=args)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def test_the_api_does_the_same(ada: Client) -> None:
    token = make_token(user=make_user(role=Role.ADMINISTRATOR))

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        answer: Any = getattr(Client(), method)(
            f"/api/v1/sources{path}", body, content_type="application/json", headers=headers
        )
        return answer.status_code, answer.json() if answer.content else {}

    new = {"name": "fleet", "kind": "lines", "environment": "staging", "settings": {"lines": rows(10)}}
    assert ask("post", "/preview", new)[1]["added"] == [f"web-{number}" for number in range(1, 11)]
    assert not HostSource.objects.exists()
    assert ask("post", "", new)[0] == 201
    assert (ask("post", "", new)[0], ask("post", "", new | {"kind": "fortune"})[0]) == (409, 400)
    status, outcome = ask("put", "/fleet", {"settings": {"lines": rows(2)}})
    assert (status, len(outcome["leaving"]), bool(outcome["kept"])) == (200, 8, True)
    listed = ask("get", "")[1]["items"][0]
    assert (listed["hosts"], listed["state"], len(listed["leaving"])) == (10, "kept", 8)
    assert ask("post", "/fleet/accept", {"removal": "x"})[0] == 409
    assert ask("post", "/fleet/accept", {"removal": outcome["removal"]})[1]["kept"] == ""
    assert ask("post", "/fleet/refresh")[1]["same"] == 2
    web = new | {"name": "web", "kind": "web", "settings": {"address": "http://169.254.169.254/"}}
    status, problem = ask("post", "", web)
    assert (status, problem["kind"]) == (502, "source")
    assert (ask("delete", "/nowhere")[0], ask("delete", "/fleet?hosts=true")[0]) == (404, 204)
    assert not Membership.objects.exists()
