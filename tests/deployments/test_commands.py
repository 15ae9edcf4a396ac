"""Targets that deploy by a command of their own on a runner: same lock, number, log and adoption, and rollback."""

import pytest
from django.core.exceptions import ValidationError

from deployments import lifecycle, log, recipes
from deployments.blockers import Blocked
from deployments.models import ReleaseKind
from deployments.runs import release_of
from environments.models import Target
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, step

pytestmark = pytest.mark.both_databases

COMMAND = 'echo "out goes $DEPLOYER_REF: $(cat index.html)" | tee -a ../../went; test ! -e ../../broken'


def by_command(place: FleetTarget, command: str = COMMAND) -> FleetTarget:
    """Deploys by a command on the first host of the target's environment."""
    place.target.command = command
    place.target.runner = place.target.environment.memberships.order_by("host__name")[0].host
    place.target.full_clean()
    place.target.save()
    return place


def test_a_command_deploys_on_its_runner(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = by_command(make_fleet_target(hosts=2))
    runner, other = place.homes
    first = driver.run_to_end(request(place, "v1"))
    assert (first.status, statuses(first), release_of(first).kind) == ("succeeded", ["live"], ReleaseKind.COMMAND)
    second = driver.run_to_end(request(place))
    assert "out goes main: <h1>two</h1>" in [line.text for line in log.read_all(second.pk)]
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert (back.status, back.of) == ("succeeded", first)
    assert place.read(runner, "went").splitlines() == [
        "out goes v1: <h1>one</h1>",
        "out goes main: <h1>two</h1>",
        "out goes v1: <h1>one</h1>",
    ]
    assert not place.root(other).exists()


def test_a_command_that_fails_changes_nothing_else(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = by_command(make_fleet_target(hosts=1))
    first = driver.run_to_end(request(place, "v1"))
    (root,) = place.roots()
    (root / "broken").touch()
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "failed"
    assert 'step "command" ended with exit code 1' in errors(deploy)[next(iter(place.homes))]
    assert set(place.current().values()) == {release_of(first).name}


def test_command_and_runner_belong_together(place: FleetTarget) -> None:
    with pytest.raises(ValidationError, match="needs the runner"):
        Target(command="kubectl apply -f k8s").clean()
    stranger = place.target.environment.memberships.order_by("host__name")[0]
    by_command(place)
    stranger.delete()
    with pytest.raises(Blocked, match=f"The runner {stranger.host} is no host of"):
        request(place)


def test_a_step_that_is_named_so_is_none(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    """What a rollback runs again is said by the target alone; a step has whatever name people give it."""
    place = make_fleet_target(hosts=1, steps=[step("command", "echo up >>../../went", "once")])
    for ref in ("v1", "main"):
        assert not recipes.is_command(driver.run_to_end(request(place, ref)))
    driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert place.read(next(iter(place.homes)), "went") == "up\nup\n"
