"""Rollbacks on hosts: those that hold the release are only switched, the others get it again before anyone switches."""

import shutil

import pytest

from deployments import lifecycle, log
from deployments.models import HeldRelease, Program
from deployments.runs import release_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request, statuses
from tests.deployments.fleet import Driver, step

pytestmark = pytest.mark.both_databases


def test_a_rollback_is_arm_and_flip_only(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, steps=[step("build", "echo x >>../../built")])
    first = driver.run_to_end(request(place, "v1"))
    driver.run_to_end(request(place))
    driver.batches.clear()
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert back.status == "succeeded"
    assert set(place.current().values()) == {release_of(first).name}
    assert driver.batches == [("switch", 3), ("finish", 3)]
    assert {place.read(name, "built") for name in place.homes} == {"x\nx\n"}, "nothing was built again"


def test_a_host_that_lost_the_release_gets_it_before_anyone_switches(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(hosts=3)
    first = driver.run_to_end(request(place, "v1"))
    driver.run_to_end(request(place))
    poor = list(place.homes)[1]
    shutil.rmtree(place.root(poor) / "releases" / release_of(first).name)
    driver.batches.clear()
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert (back.status, statuses(back)) == ("succeeded", ["live"] * 3)
    assert driver.batches == [("switch", 3), ("prepare", 1), ("switch", 3), ("finish", 3)]
    assert set(place.current().values()) == {release_of(first).name}
    told = [line.text for line in log.read_all(back.pk)]
    assert f"{poor} no longer holds the release; it gets it again first." in told
    assert HeldRelease.objects.filter(release=first.release).count() == 3


def test_a_host_that_lacks_it_again_after_it_was_prepared_is_not_asked_for_ever(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    gone = "rm -rf ../../.deployer/releases/$DEPLOYER_RELEASE"
    place = make_fleet_target(hosts=2, steps=[step("once", gone, "once")])
    deploy = driver.run_to_end(request(place))
    assert sorted(statuses(deploy)) == ["failed", "live"]
    assert Program.objects.filter(run__deploy=deploy, phase="prepare").count() == 2
