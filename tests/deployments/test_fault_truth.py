"""What a worker that died has left is told truly by the next one, also when someone cancels meanwhile."""

import pytest

from deployments import lifecycle, switching, talking
from deployments.arming import Armed, Arming, arm_host
from deployments.claims import ClaimLost
from deployments.failures import Fenced
from deployments.models import Deploy, HostRun, Program
from deployments.runs import release_of
from environments.models import Host
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Died, Driver, FleetTarget, closed_port, eventually, step
from tests.deployments.test_cancel import begun, processes_with
from tests.processes import nap


def _switched_and_died(place: FleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """All hosts have switched, and no row says so."""
    deploy = request(place)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(switching, "record", die)
        with pytest.raises(Died):
            driver.run_to_end(deploy)
    assert set(place.current().values()) == {release_of(deploy).name}
    assert statuses(deploy) == ["prepared"] * len(place.homes)
    return deploy


def test_a_cancel_after_an_unrecorded_switch_asks_the_hosts(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_fleet_target(hosts=2)
    deploy = _switched_and_died(place, driver, monkeypatch)
    lifecycle.request_cancel(deploy, by=place.by)
    driver.run_to_end(deploy)
    assert (deploy.status, deploy.reason) == ("cancelled", "Cancelled; 2 of 2 hosts run the new release.")
    assert set(errors(deploy).values()) == {f"The new release {deploy.revision[:7]} is current there."}


def test_a_host_that_cannot_be_asked_whether_it_switched_is_unknown(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_fleet_target(hosts=2)
    away = list(place.homes)[1]
    deploy = _switched_and_died(place, driver, monkeypatch)
    Host.objects.filter(name=away).update(port=closed_port())
    lifecycle.request_cancel(deploy, by=place.by)
    driver.run_to_end(deploy)
    assert (deploy.status, statuses(deploy)) == ("cancelled", ["cancelled", "unknown"])
    assert deploy.reason.endswith(f"1 of 2 hosts run the new release. Nobody knows what {away} runs; look there.")
    assert "which release serves there" in errors(deploy)[away]
    assert "is still current" not in errors(deploy)[away], "nobody knows that"


def test_once_asked_no_earlier_claim_can_switch_the_host(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    """A worker that was armed, slept and was taken for dead wakes up and gives the word."""
    place = make_fleet_target(hosts=1)
    deploy = request(place)
    while not driver.batches:
        driver.advance(deploy)
    run = HostRun.objects.select_related("host", "deploy__target", "deploy__release").get(deploy=deploy)
    HostRun.objects.filter(pk=run.pk).update(fence=run.fence + 1)
    newer = HostRun.objects.select_related("host", "deploy__target", "deploy__release").get(pk=run.pk)
    switching.settle(newer)
    with Arming() as channels:
        late = Armed(run)
        arm_host(late, channels)
    assert isinstance(late.failure, Fenced)
    assert not (place.roots()[0] / "current").exists()


def test_a_cancel_ends_a_step_that_runs_once_and_was_left_by_its_worker(
    make_fleet_target: MakeFleetTarget, driver: Driver, other_driver: Driver
) -> None:
    place = make_fleet_target(hosts=1, steps=[step("migrate", f"touch ../../begun; {nap(18)}", "once")])
    deploy = request(place)
    while not driver.batches:
        driver.advance(deploy)
    with driver.working(lambda: driver.advance(deploy)):
        eventually(lambda: begun(place), what="the step's begin")
        driver.runtime.leave()
    assert processes_with(nap(18))
    lifecycle.request_cancel(deploy, by=place.by)
    other_driver.run_to_end(deploy)
    assert (deploy.status, statuses(deploy)) == ("cancelled", ["cancelled"])
    assert processes_with(nap(18)) == []


def test_why_a_step_failed_is_known_to_the_one_who_hears_only_that_it_did(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stores the last words and dies before the result."""
    place = make_fleet_target(hosts=1, steps=[step("build", "exit 3")])
    deploy = request(place)

    def die(*_: object) -> None:
        raise ClaimLost("dead")

    with monkeypatch.context() as patch:
        patch.setattr(talking, "_store_result", die)
        driver.advance(deploy)
    assert Program.objects.get(run__deploy=deploy).result == ""
    driver.run_to_end(deploy)
    (error,) = errors(deploy).values()
    assert 'step "build" ended with exit code 3' in error
