"""Locks by the API: 201 or 409 with the holder, and that a deploy by anybody else or any machine is stopped."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from environments.models import Target
from tests.builders import make_application, make_environment, make_repository, make_target, make_user
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    make_repository(tmp_path / "shop")
    shop = make_application(name="shop", repository=tmp_path / "shop")
    return make_target(application=shop, environment=make_environment(name="staging"), hosts=2)


@pytest.fixture
def ada() -> API:
    return api_of(user=make_user(username="ada", first_name="Ada", last_name="Marsh"))


def wanted(scope: str = "shop/staging", hours: float = 1, **more: object) -> dict[str, object]:
    until = (timezone.now() + timedelta(hours=hours)).isoformat()
    return {"scope": scope, "reason": "demo for the board", "until": until} | more


def test_one_gets_it_and_the_other_hears_who_holds_it(target: Target, ada: API) -> None:
    made = ada.post("locks", wanted())
    assert made.status_code == 201, made.content
    lock = made.json()
    assert (lock["holder"], lock["scope"], lock["kind"], lock["reason"]) == (
        *("ada", "shop/staging", "lock", "demo for the board"),
    )
    assert ada.get(made["Location"].removeprefix("/api/v1/")).json() == lock
    said = check_problem(api_of().post("locks", wanted()), 409, "locked")
    assert said["lock"]["id"] == lock["id"]
    assert "locked by Ada Marsh" in said["detail"]
    assert [row["id"] for row in ada.get("locks").json()["items"]] == [lock["id"]]


def test_others_and_machines_do_not_deploy_through_it_and_its_holder_does(target: Target) -> None:
    user = make_user(username="ada", first_name="Ada", last_name="Marsh")
    ada, robot = api_of(user=user), api_of(user=user, machine=True)
    lock = ada.post("locks", wanted()).json()
    said = check_problem(api_of().post("targets/shop/staging/deploys", {}), 409, "blocked")
    (blocker,) = said["blockers"]
    assert (blocker["kind"], blocker["who"], blocker["until"], blocker["lock"]) == (
        *("lock", "Ada Marsh", lock["until"] and blocker["until"], lock["id"]),
    )
    assert "demo for the board" in said["detail"]
    held = robot.post("targets/shop/staging/deploys", {}).json()
    assert (held["status"], held["met_lock"], held["blockers"][0]["kind"]) == ("waiting", lock["id"], "held")
    done = ada.post("targets/shop/staging/deploys", {})
    assert (done.status_code, done.json()["status"]) == (201, "running")


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "nowhere"},
        {"reason": ""},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": None},
        {"kind": "iron"},
        {"team": "nobody"},
        {"more": 1},
    ],
)
def test_what_cannot_be_is_refused(body: dict[str, object], target: Target, ada: API) -> None:
    answer = ada.post("locks", wanted() | body)
    assert answer.status_code == 400, answer.content
    assert ada.get("locks").json()["items"] == []


def test_only_the_holder_releases_and_extends(target: Target, ada: API) -> None:
    lock = ada.post("locks", wanted()).json()["id"]
    other, later = api_of(), (timezone.now() + timedelta(hours=5)).isoformat()
    check_problem(other.post(f"locks/{lock}/extend", {"until": later}), 403, "not-yours")
    check_problem(other.delete(f"locks/{lock}"), 403, "not-yours")
    check_problem(other.post(f"locks/{lock}/take", {"reason": "mine"}), 403, "not-allowed")
    assert ada.post(f"locks/{lock}/extend", {"until": later}).status_code == 200
    assert ada.delete(f"locks/{lock}").status_code == 204
    check_problem(ada.delete(f"locks/{lock}"), 409, "lock-gone")
    check_problem(ada.delete("locks/4711"), 404, "not-found")


def test_waiting_asking_and_confirming(target: Target, ada: API) -> None:
    lock = ada.post("locks", wanted()).json()["id"]
    ben = api_of(user=make_user(username="ben"))
    check_problem(ada.post(f"locks/{lock}/queue", {"reason": "again"}), 409, "not-possible")
    waits = ben.post(f"locks/{lock}/queue", {"reason": "tests", "wanted_seconds": 7200})
    assert [one["by"] for one in waits.json()["line"]] == ["ben"]
    check_problem(ben.post(f"locks/{lock}/queue", {"reason": "tests"}), 409, "not-possible")
    asked = ben.post(f"locks/{lock}/ask", {"text": "may I?"}).json()
    (question,) = asked["questions"]
    check_problem(ben.post(f"locks/{lock}/answer", {"question": question["id"], "answer": "no"}), 403, "not-yours")
    assert ada.post(f"locks/{lock}/answer", {"question": question["id"], "answer": "release"}).status_code == 204
    (offered,) = ben.get("locks").json()["items"]
    assert (offered["holder"], offered["offered"]) == ("ben", True)
    check_problem(ada.post(f"locks/{offered['id']}/queue/confirm"), 403, "not-yours")
    confirmed = ben.post(f"locks/{offered['id']}/queue/confirm").json()
    assert confirmed["offered"] is False
    assert ben.delete(f"locks/{offered['id']}").status_code == 204
    check_problem(ben.delete(f"locks/{offered['id']}/queue"), 409, "not-possible")
