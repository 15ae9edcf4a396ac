"""Tasks by the page and by the API: the same verb, the same refusals."""

from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments.models import Target, Task, User
from tests import builders
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.shop_pages import make_shop, sign_in, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployer() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Nwosu")


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    made = make_shop(tmp_path, settings)
    asked = [{"name": "level", "label": "How loud?", "choices": ["low", "high"], "default": "low"}, {"name": "key"}]
    Task.objects.create(target=made, name="shout", command="echo <b>", description="Shouts.", parameters=asked)
    return made


def address(name: str) -> str:
    return reverse(name, args=["shop", "staging", "shout"])


def test_one_looks_at_it_and_runs_it(target: Target, deployer: User) -> None:
    client = sign_in(deployer)
    assert address("task") in client.get("/shop/staging/").content.decode()
    html = client.get(address("task")).content
    assert b"echo &lt;b&gt;" in html
    assert "How loud?" in text_of(html)
    one = target.environment.memberships.order_by("pk")[0].host.name
    answer = client.post(address("run-task"), {"value-level": "high", "value-key": "k", "host": [one]})
    ran = Deploy.objects.get(kind=Kind.TASK)
    assert answer.headers["Location"] == f"/deploys/{ran.pk}"
    assert ran.recipe["task"] == {"name": "shout", "values": {"level": "high", "key": "k"}}
    assert [run.host_name for run in ran.runs.all()] == [one]
    page = text_of(client.get(f"/deploys/{ran.pk}").content)
    assert "shout on shop in staging #1" in page
    assert "Going out" not in page
    assert "runs shout on shop in staging" in text_of(client.get("/").content)
    assert "Run when it is free" in text_of(client.get(address("task")).content)


def test_refusals_of_the_page(target: Target, deployer: User) -> None:
    client = sign_in(deployer)
    told = client.post(address("run-task"), {"value-level": "high", "value-key": "k"}, follow=True)
    assert "No host was chosen" in text_of(told.content)
    assert client.get(reverse("task", args=["shop", "staging", "none"])).status_code == 404
    assert sign_in(builders.make_user(role="viewer")).post(address("run-task")).status_code == 403
    assert not Deploy.objects.exists()


def test_the_page_of_a_task_costs_a_fixed_number_of_queries(
    target: Target, deployer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = sign_in(deployer)
    with django_assert_num_queries(9):
        client.get(address("task"))
    for _ in range(10):
        builders.make_host(environment=target.environment, zone=builders.make_zone())
    with django_assert_num_queries(9):
        client.get(address("task"))


def test_the_api_lists_and_runs_it(target: Target, deployer: User) -> None:
    caller = api_of(user=deployer)
    (said,) = caller.get("targets/shop/staging/tasks").json()
    assert said["parameters"][0] == {
        "name": "level",
        "label": "How loud?",
        "choices": ["low", "high"],
        "default": "low",
    }
    assert said["parameters"][1] == {"name": "key", "label": "", "choices": [], "default": ""}
    path = "targets/shop/staging/tasks/shout"
    check_problem(caller.post(path, {"values": {"level": "loud", "key": "k"}}), 400, "task-refused")
    check_problem(caller.post(path, {"values": {"key": "k"}, "hosts": []}), 400, "task-refused")
    check_problem(caller.post("targets/shop/staging/tasks/none", {}), 404, "not-found")
    check_problem(api_of(role="viewer").post(path, {"values": {"key": "k"}}), 403, "not-allowed")
    ran = caller.post(path, {"values": {"key": "k"}}).json()
    assert (ran["kind"], ran["ref"], ran["revision"], len(ran["hosts"])) == ("task", "shout", "", 2)
    check_problem(caller.post(path, {"values": {"key": "k"}}), 409, "blocked")
    Deploy.objects.update(status=DeployStatus.SUCCEEDED)
    assert caller.get("deploys", kind="task").json()["items"][0]["id"] == ran["id"]
