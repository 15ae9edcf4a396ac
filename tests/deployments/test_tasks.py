"""Tasks: named commands on chosen hosts, with the permission, lock, number, log and history of a deploy."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deployments import lifecycle, log
from deployments.blockers import Blocked
from deployments.models import Deploy, Kind, Program, Standing
from deployments.refusals import NothingToRetry, TaskRefused
from environments.access import NotAllowed
from environments.models import Task, User
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, errors, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, eventually

pytestmark = pytest.mark.both_databases

KEY = {"name": "cache-key", "label": "Which key?", "default": "all"}
LEVEL = {"name": "level", "choices": ["low", "high"]}


def make_task(place: FleetTarget, command: str = "true", name: str = "clear-cache", **fields: Any) -> Task:
    task = Task(target=place.target, name=name, command=command, **fields)
    task.full_clean()
    task.save()
    return task


def test_it_runs_in_what_serves_on_the_chosen_hosts(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3)
    deployed = driver.run_to_end(request(place))
    where = 'echo "$PARAM_CACHE_KEY $PARAM_LEVEL in $(basename "$PWD") at $DEPLOYER_REVISION" | tee ../../ran'
    task = make_task(place, where, parameters=[KEY, LEVEL])
    chosen = list(place.homes)[:2]
    values = {"cache-key": "a b; $(id) 'x", "level": "high"}
    ran = driver.run_to_end(lifecycle.run_task(task, hosts=chosen, values=values, by=place.by))
    assert (ran.status, ran.reason, ran.number, ran.kind) == ("succeeded", "It ran on 2 of 2 hosts.", 2, Kind.TASK)
    assert deployed.release is not None
    said = f"a b; $(id) 'x high in {deployed.release.name} at {deployed.revision}\n"
    assert {place.read(name, "ran") for name in chosen} == {said}
    assert not (place.root(list(place.homes)[2]) / "ran").exists()
    lines = [line.text for line in log.read_all(ran.pk)]
    assert f"Ada runs clear-cache cache-key=a b; $(id) 'x level=high on {place.target.slug}, #2." in lines
    assert lines.count(said.strip()) == 2
    standing = Standing.objects.get(target=place.target)
    assert (standing.live, standing.latest) == (deployed, deployed), "a task changes nothing about what is live"


def test_it_is_locked_as_a_deploy_is(place: FleetTarget, viewer: User) -> None:
    task = make_task(place)
    running = lifecycle.run_task(task, by=place.by)
    before = counts()
    with pytest.raises(Blocked, match="#1 is running"):
        request(place)
    with pytest.raises(Blocked, match="#1 is running"):
        lifecycle.run_task(task, by=place.by)
    with pytest.raises(NotAllowed):
        lifecycle.run_task(task, by=viewer)
    assert counts() == before
    assert lifecycle.run_task(task, by=place.by, wait=True).status == "waiting"
    assert running.status == "running"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "needs a value for “level”"),
        ({"level": "middle"}, "none of the choices for “level”: low, high"),
        ({"level": "low", "other": "x"}, "does not ask for other"),
        ({"level": "low", "cache-key": "a\nb"}, "“Which key\\?” must be one line"),
        ({"level": "low", "cache-key": "a\0b"}, "must be one line"),
        ({"level": "low", "cache-key": "x" * 1001}, "at most 1000 characters"),
    ],
)
def test_wrong_values_run_nothing(place: FleetTarget, values: dict[str, str], said: str) -> None:
    task = make_task(place, parameters=[KEY, LEVEL])
    before = counts()
    with pytest.raises(TaskRefused, match=said):
        lifecycle.run_task(task, values=values, by=place.by)
    assert counts() == before


def test_only_hosts_with_its_role_run_it(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=3, roles={0: ["worker"], 1: ["web"]})
    first, second, _ = place.homes
    task = make_task(place, roles=["worker"])
    with pytest.raises(TaskRefused, match=f"{second} cannot run the task"):
        lifecycle.run_task(task, hosts=[second], by=place.by)
    nobody = make_task(place, name="nobodys", roles=["nobody"])
    with pytest.raises(TaskRefused, match="has the role for the task"):
        lifecycle.run_task(nobody, by=place.by)
    assert [run.host_name for run in lifecycle.run_task(task, by=place.by).runs.all()] == [first]


def test_a_host_where_it_fails_is_told_and_run_again(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=2)
    driver.run_to_end(request(place))
    bad = list(place.homes)[1]
    mark = place.root(bad) / "broken"
    mark.touch()
    task = make_task(place, "if [ -e ../../broken ]; then exit 3; fi")
    ran = driver.run_to_end(lifecycle.run_task(task, by=place.by))
    assert (ran.status, statuses(ran), ran.reason) == ("partial", ["live", "failed"], "It ran on 1 of 2 hosts.")
    assert 'step "clear-cache" ended with exit code 3' in errors(ran)[bad]
    mark.unlink()
    again = driver.run_to_end(lifecycle.retry(ran, by=place.by))
    assert (again.kind, again.status, statuses(again)) == (Kind.TASK, "succeeded", ["live"])
    with pytest.raises(NothingToRetry):
        lifecycle.retry(again, by=place.by)


def test_nothing_serves_yet(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    ran = driver.run_to_end(lifecycle.run_task(make_task(place), by=place.by))
    assert ran.status == "failed"
    assert "nothing that was deployed serves" in ran.runs.get().error


def test_it_is_cancelled(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    driver.run_to_end(request(place))
    ran = lifecycle.run_task(make_task(place, "touch ../../begun; sleep 300"), by=place.by)
    (root,) = place.roots()
    with driver.running(ran):
        eventually((root / "begun").exists)
        lifecycle.request_cancel(ran, by=place.by)
    assert (ran.status, statuses(ran)) == ("cancelled", ["cancelled"])


def test_a_lost_one_is_not_run_twice_unless_it_may(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    driver.run_to_end(request(place))
    ran = lifecycle.run_task(make_task(place, "echo x >>../../ran"), by=place.by)
    Program.objects.create(run=ran.runs.get(), phase="task", nonce="0123456789abcdef", result="lost")
    driver.run_to_end(ran)
    assert (ran.status, statuses(ran)) == ("needs_attention", ["unknown"])
    assert not (place.roots()[0] / "ran").exists()


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "a"},
        ["key"],
        [{"label": "x"}],
        [{"name": "A b"}],
        [{"name": "a", "kind": "text"}],
        [{"name": "a"}, {"name": "a"}],
        [{"name": "a", "choices": "x"}],
        [{"name": "a", "choices": ["x"], "default": "y"}],
        [{"name": "a", "label": "two\nlines"}],
    ],
)
def test_parameters_are_checked_when_they_are_written(place: FleetTarget, parameters: Any) -> None:
    with pytest.raises(ValidationError):
        make_task(place, parameters=parameters)


def test_tasks_are_no_release_to_go_back_to(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    first = driver.run_to_end(request(place, "v1"))
    driver.run_to_end(request(place))
    ran = driver.run_to_end(lifecycle.run_task(make_task(place), by=place.by))
    with pytest.raises(lifecycle.CannotRollBack, match="left no release"):
        lifecycle.roll_back(place.target, to=ran, by=place.by)
    assert lifecycle.roll_back(place.target, by=place.by).of == first
    assert Deploy.objects.filter(kind=Kind.TASK).count() == 1
