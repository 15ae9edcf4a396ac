"""Approvals: N of a team, never who asks, for exactly one revision with its configuration and steps; and the line."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from deployments import approvals, lifecycle
from deployments.blockers import of_waiting
from deployments.lifecycle import Passing
from deployments.models import Approval, Deploy
from environments import approval_rules, teams
from environments.access import NotAllowed
from environments.configuration import changing
from environments.configuration.scopes import find_scope
from environments.models import Role, Target, Team, User
from notifications.models import Event
from tests import builders
from tests.deployments.test_locks import finish, fresh, request, start

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def people() -> dict[str, User]:
    names = ("ada", "ben", "cleo", "dan", "robot")
    return {name: builders.make_user(username=name, first_name=name.title(), last_name="Marsh") for name in names}


@pytest.fixture
def team(people: dict[str, User]) -> Team:
    made = teams.make("release", by=None)
    for name in ("ada", "ben", "cleo"):
        teams.add_member(made, people[name], by=None)
    return made


@pytest.fixture
def target(tmp_path: Path, settings: Settings, team: Team) -> Target:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    builders.make_repository(tmp_path / "shop")
    shop = builders.make_application(name="shop", repository=tmp_path / "shop")
    place = builders.make_environment(name="production")
    made = builders.make_target(application=shop, environment=place, hosts=1)
    approval_rules.set_approvals(made, number=2, team=team, hours=24, by=None)
    return made


def approve(deploy: Deploy, *people: User) -> None:
    for person in people:
        now = fresh(deploy)
        lifecycle.approve(now, by=person, subject=approvals.subject_of(now), word="fine")


def test_it_waits_for_so_many_of_the_team(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    assert deploy.status == "waiting"
    assert start(target) is None
    approve(deploy, people["ada"])
    (blocker,) = (it for it in of_waiting(fresh(deploy)) if it.kind == "approval")
    assert blocker.text == "It needs 2 approvals of the team release; 1 given (by Ada Marsh)."
    approve(deploy, people["ada"])  # twice is once
    assert start(target) is None
    approve(deploy, people["ben"])
    assert start(target) == deploy


def test_nobody_approves_their_own(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["ada"])
    with pytest.raises(lifecycle.NotApprover):
        approve(deploy, people["ada"])
    # nor by asking in another's name: what was said for somebody else's does not count for one's own
    again = request(target, people["ben"], wait=True)
    approve(again, people["ada"], people["cleo"])
    assert start(target) == again
    finish(again)
    assert fresh(deploy).subject == again.subject
    assert start(target) is None  # of two approvals of the same thing one is Ada's own
    approve(deploy, people["ben"])
    assert start(target) == deploy


def test_only_the_team_approves(target: Target, people: dict[str, User], team: Team) -> None:
    deploy = request(target, people["dan"])
    with pytest.raises(lifecycle.NotApprover):
        approve(deploy, people["robot"])
    approve(deploy, people["ada"], people["ben"])
    teams.remove_member(team, people["ben"], by=None)  # a right that is taken away counts no more
    assert start(target) is None
    people["cleo"].is_active = False
    people["cleo"].save()
    with pytest.raises((lifecycle.NotApprover, NotAllowed)):
        approve(deploy, people["cleo"])


def test_a_moved_branch_needs_new_ones(target: Target, people: dict[str, User], tmp_path: Path) -> None:
    deploy = request(target, people["dan"])
    approve(deploy, people["ada"], people["ben"])
    builders.commit(tmp_path / "shop", {"README": "Another.\n"})
    other = request(target, people["dan"], wait=True)
    assert (other.revision != deploy.revision, other.subject != deploy.subject) == (True, True)
    assert start(target) == deploy  # exactly what was approved
    finish(deploy)
    assert start(target) is None
    assert fresh(other).status == "waiting"


def test_a_changed_step_or_value_needs_new_ones(target: Target, people: dict[str, User]) -> None:
    first = request(target, people["dan"])
    approve(first, people["ada"], people["ben"])
    builders.make_step(target=target, name="migrate", command="rm -rf /")
    second = request(target, people["dan"], wait=True)
    target.configuration_env = ".env"
    target.save()
    changing.set_value(find_scope(target, "target"), "COLOUR", "red", by=None)
    third = request(target, people["dan"], wait=True)
    assert len({one.subject for one in (first, second, third)}) == 3
    assert start(target) == first
    finish(first)
    assert start(target) is None


def test_what_was_looked_at_is_what_is_approved(target: Target, people: dict[str, User]) -> None:
    first = request(target, people["dan"])
    builders.make_step(target=target, name="migrate", command="true")
    second = request(target, people["dan"], wait=True)
    with pytest.raises(lifecycle.OtherSubject):
        lifecycle.approve(second, by=people["ada"], subject=first.subject)
    # somebody writes another recipe past the verbs: what is approved is no longer what there is
    approve(second, people["ada"], people["ben"])
    Deploy.objects.filter(pk=second.pk).update(recipe={"steps": [{"name": "migrate", "command": "false"}]})
    assert start(target) is None


def test_an_approval_expires(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    approve(deploy, people["ada"], people["ben"])
    Approval.objects.filter(by=people["ada"]).update(until=timezone.now() - timedelta(seconds=1))
    assert start(target) is None
    approve(deploy, people["ada"])
    assert start(target) == deploy


def test_a_refusal_ends_it(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    lifecycle.refuse(deploy, by=people["ada"], subject=deploy.subject, word="not before the demo")
    assert (fresh(deploy).status, fresh(deploy).reason) == ("cancelled", "Ada Marsh refused it: not before the demo")
    with pytest.raises(lifecycle.NothingToApprove):
        approve(deploy, people["ben"])


def test_who_has_what_they_need_passes_those_who_do_not(target: Target, people: dict[str, User]) -> None:
    first, second = (request(target, people["dan"], wait=True, hosts=None) for _ in range(2))
    builders.make_step(target=target, name="migrate", command="true")
    third = request(target, people["dan"], wait=True)
    approve(third, people["ada"], people["ben"])
    assert start(target) == third
    finish(third)
    assert start(target) is None
    assert fresh(first).subject == fresh(second).subject


def test_the_way_back_and_tasks_wait_for_nobody(target: Target, people: dict[str, User]) -> None:
    dan = people["dan"]
    done = []
    for _ in range(2):
        deploy = request(target, dan)
        if deploy.status == "waiting":  # the same once more is approved still
            approve(deploy, people["ada"], people["ben"])
            assert start(target) == deploy
        finish(deploy)
        done.append(deploy)
    finish(lifecycle.run_task(target.tasks.create(name="warm", command="true"), by=dan))
    assert lifecycle.roll_back(target, to=done[0], by=dan).status == "running"


def test_a_retry_of_what_began_is_covered_unless_it_changed(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    approve(deploy, people["ada"], people["ben"])
    assert start(target) == deploy
    finish(deploy, "failed")
    Approval.objects.update(until=timezone.now())
    again = lifecycle.retry(fresh(deploy), by=people["dan"])
    assert again.status == "running"
    finish(again, "failed")
    builders.make_step(target=target, name="migrate", command="true")
    assert lifecycle.retry(fresh(deploy), by=people["dan"]).status == "waiting"


def test_an_emergency_goes_over_it(target: Target, people: dict[str, User]) -> None:
    boss = builders.make_user(role=Role.ADMINISTRATOR)
    deploy = request(target, boss, said=Passing(override="the shop is down"))
    assert deploy.status == "running"
    assert "2 approvals" in Event.objects.get(kind="deploy.overrode").facts["what_stood"]


def test_a_team_that_approves_is_not_removed(target: Target, team: Team) -> None:
    with pytest.raises(teams.Approves):
        teams.remove(team, by=None)


def test_moving_to_the_front_and_the_strict_order_after_it(target: Target, people: dict[str, User]) -> None:
    approval_rules.set_approvals(target, number=0, team=None, hours=24, by=None)
    running = request(target, people["dan"])
    line = [request(target, people["dan"], wait=True) for _ in range(4)]
    keeper = builders.make_user(role=Role.MAINTAINER)
    with pytest.raises(NotAllowed):
        lifecycle.move_to_front(line[2], by=people["dan"])
    lifecycle.move_to_front(line[2], by=keeper)
    lifecycle.move_to_front(line[3], by=keeper)
    with pytest.raises(lifecycle.NothingToMove):
        lifecycle.move_to_front(line[3], by=keeper)
    with pytest.raises(lifecycle.NothingToMove):
        lifecycle.move_to_front(running, by=keeper)
    assert Event.objects.filter(kind="deploy.moved_to_front").count() == 2
    finish(running)
    went = []
    while (begun := start(target)) is not None:
        went.append(begun)
        finish(begun)
    assert went == [line[3], line[2], line[0], line[1]]


def api(user: User, method: str, path: str, body: object = None, *, machine: bool = False) -> Any:
    more = {"data": body, "content_type": "application/json"} if body is not None else {}
    bearer = {"Authorization": f"Bearer {builders.make_token(user=user, machine=machine)}"}
    return getattr(Client(), method)(f"/api/v1{path}", headers=bearer, **more)


def test_by_the_api(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    path = f"/deploys/{deploy.pk}"
    seen = api(people["ada"], "get", path).json()
    assert [it["kind"] for it in seen["blockers"]] == ["approval", "workers"]
    assert (seen["approval"]["needed"], seen["approval"]["given"]) == (2, [])
    body = {"subject": seen["approval"]["subject"], "word": "fine"}
    assert api(people["dan"], "post", f"{path}/approve", body).json()["kind"] == "not-approver"
    assert api(people["ada"], "post", f"{path}/approve", body, machine=True).status_code == 400
    assert api(people["ada"], "post", f"{path}/approve", body | {"subject": "0" * 64}).json()["kind"] == "other-subject"
    assert api(people["ada"], "post", f"{path}/approve", body).json()["approval"]["given"] == ["Ada Marsh"]
    items = api(people["dan"], "get", "/waiting").json()["items"]
    assert [item["approval"]["given"] for item in items] == [["Ada Marsh"]]
    refused = api(people["ben"], "post", f"{path}/refuse", {"subject": body["subject"], "word": "no"})
    assert refused.json()["status"] == "cancelled"
    boss = builders.make_user(role=Role.ADMINISTRATOR)
    rule = {"number": 1, "team": "release", "hours": 2}
    assert api(boss, "put", "/targets/shop/production/approvals", rule).json() == rule
    assert api(people["dan"], "get", "/targets/shop/production/approvals").json() == rule
    assert api(people["dan"], "put", "/targets/shop/production/approvals", rule).status_code == 403


def test_by_the_page(target: Target, people: dict[str, User]) -> None:
    deploy = request(target, people["dan"])
    client = Client()
    client.force_login(people["ada"])
    page = client.get(f"/deploys/{deploy.pk}").content.decode()
    assert "It needs 2 approvals of the team release; 0 given." in page
    assert f'value="{deploy.subject}"' in page
    client.post(f"/deploys/{deploy.pk}/approve", {"subject": deploy.subject, "word": "go on"})
    assert "“go on”" in client.get(f"/deploys/{deploy.pk}").content.decode()
    assert "“go on”" in client.get("/shop/production/approvals").content.decode()
    client.force_login(people["dan"])
    page = client.get(f"/deploys/{deploy.pk}").content.decode()
    assert "You asked for it yourself" in page
    assert "/approve" not in page
    boss = builders.make_user(role=Role.ADMINISTRATOR)
    client.force_login(boss)
    client.post("/shop/production/approvals/set", {"number": "0", "team": "", "hours": "24"})
    target.refresh_from_db()
    assert (target.approvals, target.approvers) == (0, None)
