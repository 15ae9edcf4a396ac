"""Deploying and rolling back by the API, on real repositories."""

import threading
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from deployments.models import Deploy, HeldRelease, Standing
from deployments.runs import release_of
from deployments.states import DeployStatus, RunStatus
from environments.models import Application, Environment, Target
from notifications.models import Event
from tests.builders import (
    commit,
    make_application,
    make_deploy,
    make_environment,
    make_host,
    make_placement,
    make_release,
    make_repository,
    make_run,
    make_target,
    make_token,
    make_user,
)
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def revision(tmp_path: Path, settings: Settings) -> str:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    return make_repository(tmp_path / "shop", branches=("feature/basket",))


@pytest.fixture
def target(revision: str, tmp_path: Path) -> Target:
    shop = make_application(name="shop", repository=tmp_path / "shop")
    return make_target(application=shop, environment=make_environment(name="staging"), hosts=2)


@pytest.fixture
def caller() -> API:
    return api_of(user=make_user(username="ada", first_name="Ada"))


def test_a_refusal_costs_six_queries(target: Target, caller: API) -> None:
    """Who asks, for what, which sources, hosts, locks and deploys there are: hundreds who ask ask so little."""
    make_deploy(target=target, status=DeployStatus.RUNNING)
    caller.get("targets")  # a token notes its use once a minute
    with CaptureQueriesContext(connection) as queries:
        answer = caller.post("targets/shop/staging/deploys", {"ref": "main"})
    assert (answer.status_code, len(queries)) == (409, 6)
    assert not any('"plan"' in query["sql"] or '"recipe"' in query["sql"] for query in queries), "they may be large"


def test_a_deploy_is_made_and_told(target: Target, caller: API, revision: str) -> None:
    answer = caller.post("targets/shop/staging/deploys", {"ref": "feature/basket"})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert answer["Location"] == f"/api/v1/deploys/{said['id']}"
    assert caller.get(f"deploys/{said['id']}").json() == said
    assert (said["number"], said["status"], said["kind"], said["trigger"]) == (1, "running", "deploy", "API")
    assert (said["ref"], said["revision"], said["automatic"]) == ("feature/basket", revision, False)
    assert (said["by"], said["by_name"]) == ("ada", "Ada")
    assert said["url"] == f"http://localhost:8000/deploys/{said['id']}"
    assert [(host["status"], host["region"]) for host in said["hosts"]] == [("pending", "europe")] * 2
    assert said["log"]["lines"] == 1


@pytest.mark.parametrize("body", [None, {}, {"ref": ""}])
def test_without_a_ref_it_is_the_default_branch(body: object, target: Target, caller: API) -> None:
    assert caller.post("targets/shop/staging/deploys", body).json()["ref"] == "main"


def test_the_command_line_and_machines_are_told_apart(target: Target) -> None:
    said = api_of(machine=True).post("targets/shop/staging/deploys", **{"X-Deployer-Client": "cli"}).json()
    assert (said["trigger"], said["automatic"]) == ("CLI", True)


def test_a_deployer_yml_that_cannot_be_used_changes_nothing(target: Target, caller: API, tmp_path: Path) -> None:
    commit(tmp_path / "shop", {"deployer.yml": "steps: *x\n"})
    said = check_problem(caller.post("targets/shop/staging/deploys", {"ref": "main"}), 409, "recipe-file")
    assert "line 1, column 8: Anchors and aliases" in said["detail"]
    assert not Deploy.objects.exists()


def test_a_blocked_one_is_refused_with_names(target: Target, caller: API) -> None:
    running = make_deploy(target=target, status=DeployStatus.RUNNING, by_name="Grace Hopper")
    said = check_problem(caller.post("targets/shop/staging/deploys", {"ref": "main"}), 409, "blocked")
    assert said["blockers"] == [
        {
            "kind": "running",
            "text": "#1 is running.",
            "who": "Grace Hopper",
            "until": "",
            "url": f"http://localhost:8000/deploys/{running.pk}",
            "lock": None,
        }
    ]
    assert Deploy.objects.count() == 1


def test_with_wait_it_waits_and_says_for_what(target: Target, caller: API) -> None:
    make_deploy(target=target, status=DeployStatus.RUNNING)
    first = caller.post("targets/shop/staging/deploys", {"ref": "main", "wait": True})
    second = caller.post("targets/shop/staging/deploys", {"ref": "main", "wait": True})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["status"] == "waiting"
    assert [item["kind"] for item in first.json()["blockers"]] == ["running", "workers"]  # nor does a worker run
    assert [(item["kind"], item["text"]) for item in second.json()["blockers"]] == [
        ("running", "#1 is running."),
        ("workers", "No worker runs that could start it. Start one; what waits goes on by itself."),
        ("queue", "#2 waits, and goes first."),
    ]


def test_what_waiting_does_not_help_is_refused_even_with_wait(target: Target, caller: API) -> None:
    empty = make_target(application=target.application, environment=make_environment(name="empty"))
    said = check_problem(caller.post(f"targets/{empty.slug}/deploys", {"wait": True}), 409, "blocked")
    assert [item["kind"] for item in said["blockers"]] == ["no-hosts"]


def test_an_unknown_ref_changes_nothing(target: Target, caller: API) -> None:
    said = check_problem(caller.post("targets/shop/staging/deploys", {"ref": "nope"}), 400, "ref-not-found")
    assert "'nope'" in said["detail"]
    assert not Deploy.objects.exists()


def test_a_repository_that_does_not_answer(target: Target, caller: API, tmp_path: Path) -> None:
    Application.objects.update(repository=f"file://{tmp_path}/gone")
    said = check_problem(caller.post("targets/shop/staging/deploys", {"ref": "main"}), 502, "repository")
    assert "shop" in said["detail"]
    assert not Deploy.objects.exists()


class TestRollBack:
    """Back to a release that every host still holds."""

    @pytest.fixture
    def good(self, target: Target) -> Deploy:
        release = make_release(target=target)
        good = make_deploy(target=target, release=release)
        live = make_deploy(target=target)
        for member in target.environment.memberships.select_related("host"):
            place = make_placement(host=member.host, target=target, current=live.release)
            HeldRelease.objects.create(placement=place, release=release)
        return good

    @pytest.mark.parametrize("named", [True, False])
    def test_it_is_a_new_deploy_of_the_old_release(self, named: bool, good: Deploy, caller: API) -> None:
        answer = caller.post("targets/shop/staging/rollback", {"to": good.pk} if named else None)
        assert answer.status_code == 201, answer.content
        said = answer.json()
        assert (said["kind"], said["of"], said["revision"]) == ("rollback", good.pk, good.revision)

    def test_a_host_that_lacks_the_release_is_named(self, good: Deploy, caller: API) -> None:
        make_host(name="newcomer", environment=good.target.environment)
        said = check_problem(caller.post("targets/shop/staging/rollback"), 409, "cannot-roll-back")
        assert "newcomer" in said["detail"]

    def test_without_an_earlier_release(self, target: Target, caller: API) -> None:
        check_problem(caller.post("targets/shop/staging/rollback"), 409, "cannot-roll-back")

    def test_to_a_deploy_of_another_target(self, good: Deploy, caller: API) -> None:
        body = {"to": make_deploy().pk}
        check_problem(caller.post("targets/shop/staging/rollback", body), 409, "cannot-roll-back")

    @pytest.mark.parametrize("to", [987654, 0, -1, "1", 1.5, 2**63, True])
    def test_to_what_is_no_deploy(self, to: object, good: Deploy, caller: API) -> None:
        check_problem(caller.post("targets/shop/staging/rollback", {"to": to}), 400, "unacceptable")


class TestCancelAndRetry:
    """What can be done about a deploy."""

    def test_a_running_one_is_cancelled_twice_without_harm(self, target: Target, caller: API) -> None:
        deploy = make_deploy(target=target, status=DeployStatus.RUNNING)
        for _ in range(2):
            answer = caller.post(f"deploys/{deploy.pk}/cancel")
            assert answer.status_code == 202
            assert answer.json()["status"] == "cancelling"
        assert Event.objects.filter(kind="deploy.cancelling").count() == 1

    def test_one_that_is_over_is_not_cancelled(self, caller: API) -> None:
        check_problem(caller.post(f"deploys/{make_deploy().pk}/cancel"), 409, "nothing-to-cancel")

    def test_failed_hosts_are_retried(self, target: Target, caller: API) -> None:
        deploy = make_deploy(target=target, status=DeployStatus.PARTIAL)
        first, second = (member.host for member in target.environment.memberships.order_by("pk"))
        make_run(deploy=deploy, host=first)
        make_run(deploy=deploy, host=second, status=RunStatus.FAILED)
        answer = caller.post(f"deploys/{deploy.pk}/retry")
        assert answer.status_code == 201, answer.content
        said = answer.json()
        assert answer["Location"] == f"/api/v1/deploys/{said['id']}"
        assert (said["kind"], said["of"]) == ("retry", deploy.pk)
        assert [host["host"] for host in said["hosts"]] == [second.name]

    def test_what_went_well_is_not_retried(self, target: Target, caller: API) -> None:
        check_problem(caller.post(f"deploys/{make_deploy(target=target).pk}/retry"), 409, "nothing-to-retry")

    def test_what_runs_is_not_retried(self, target: Target, caller: API) -> None:
        deploy = make_deploy(target=target, status=DeployStatus.RUNNING)
        check_problem(caller.post(f"deploys/{deploy.pk}/retry"), 409, "nothing-to-retry")

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_no_such_deploy(self, verb: str, caller: API) -> None:
        check_problem(caller.post(f"deploys/987654/{verb}"), 404, "not-found")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_of_sixty_at_once_exactly_one_begins(target: Target) -> None:
    """The others are refused, and told by whom."""
    count = 60
    tokens = [make_token() for _ in range(count)]
    begin = threading.Barrier(count)
    said: list[tuple[int, object]] = []

    def ask(token: str) -> None:
        begin.wait()
        try:
            answer = API(token).post("targets/shop/staging/deploys", {"ref": "main"})
            said.append((answer.status_code, answer.json()))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[token]) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(status for status, _ in said) == {201: 1, 409: count - 1}
    for status, body in said:
        if status == 409:
            assert isinstance(body, dict)
            assert [item["text"] for item in body["blockers"]] == ["#1 is running."]
    assert Deploy.objects.get().number == 1
    assert Environment.objects.get(name="staging").targets.get().last_number == 1


def test_a_rollback_can_be_looked_at_first(target: Target, caller: API) -> None:
    check_problem(caller.get("targets/shop/staging/rollback"), 409, "cannot-roll-back")
    good, live = (make_deploy(target=target) for _ in range(2))
    hosts = [membership.host for membership in target.environment.memberships.order_by("host__name")]
    places = [make_placement(host=host, target=target, current=live.release) for host in hosts]
    HeldRelease.objects.create(placement=places[0], release=release_of(good))
    said = caller.get("targets/shop/staging/rollback").json()
    assert (said["to"]["id"], said["hosts"], said["lacking"]) == (good.pk, [hosts[0].name], [hosts[1].name])
    assert (said["undone"], said["undone_count"], said["expected_seconds"]) == ([], 0, None)
    assert caller.get("targets/shop/staging/rollback", to=good.pk).json() == said
    check_problem(caller.get("targets/shop/staging/rollback", to=10_000), 400, "unacceptable")


def test_a_held_deploy_is_flipped(target: Target, caller: API) -> None:
    made = caller.post("targets/shop/staging/deploys", {"hold": True}).json()
    assert (made["held"], made["flip_at"], made["prepared_at"]) == (True, None, None)
    flipped = caller.post(f"deploys/{made['id']}/flip")
    assert (flipped.status_code, flipped.json()["held"]) == (202, False)
    check_problem(caller.post(f"deploys/{made['id']}/flip"), 409, "nothing-to-flip")
    check_problem(api_of(role="viewer").post(f"deploys/{made['id']}/flip"), 403, "not-allowed")


def test_a_time_to_go_live(target: Target, caller: API) -> None:
    path = "targets/shop/staging/deploys"
    check_problem(caller.post(path, {"flip_at": "2001-01-01T00:00:00Z"}), 400, "wrong-time")
    check_problem(caller.post(path, {"flip_at": "2199-01-01T00:00:00"}), 400, "unacceptable")
    assert Deploy.objects.count() == 0
    made = caller.post(path, {"flip_at": "2199-01-01T02:00:00+02:00"}).json()
    assert (made["held"], made["flip_at"]) == (True, "2199-01-01T00:00:00.000+00:00")


def test_stop_and_roll_back(target: Target, caller: API) -> None:
    good = make_deploy(target=target)
    for membership in target.environment.memberships.all():
        place = make_placement(host=membership.host, target=target, current=good.release)
        HeldRelease.objects.create(placement=place, release=release_of(good))
    sick = make_deploy(target=target, status=DeployStatus.RUNNING)
    check_problem(caller.post("targets/shop/staging/rollback"), 409, "blocked")
    said = caller.post("targets/shop/staging/rollback", {"stop": True}).json()
    assert (said["status"], said["of"], caller.get(f"deploys/{sick.pk}").json()["status"]) == (
        "waiting",
        good.pk,
        "cancelling",
    )


def test_hosts_that_differ_are_told_and_converged(target: Target, caller: API) -> None:
    check_problem(caller.post("targets/shop/staging/converge"), 409, "nothing-to-converge")
    live = make_deploy(target=target)
    Standing.objects.update_or_create(target=target, defaults={"live": live, "latest": live})
    one, other = [member.host for member in target.environment.memberships.order_by("host__name")]
    make_placement(host=one, target=target, current=live.release)
    make_placement(host=other, target=target, current=live.release, seen="20200101000000", drift="outside")
    said = {host["host"]: host for host in caller.get("targets/shop/staging").json()["hosts"]}
    assert (said[one.name]["drift"], said[other.name]["drift"]) == ("", "outside")
    assert said[other.name]["seen"] == "20200101000000"
    check_problem(api_of(role="viewer").post("targets/shop/staging/converge"), 403, "not-allowed")
    check_problem(caller.post("targets/shop/staging/converge", {"hosts": [one.name]}), 409, "nothing-to-converge")
    deploy = caller.post("targets/shop/staging/converge").json()
    assert (deploy["kind"], deploy["of"]) == ("converge", live.pk)
    assert [host["host"] for host in deploy["hosts"]] == [other.name]
