"""Prepare now, flip later: a held deploy rests when enough is prepared, and goes live when someone says so."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import engine, lifecycle, log
from deployments.blockers import Blocked
from deployments.models import Deploy
from deployments.refusals import NothingToFlip, WrongTime
from deployments.runs import release_of
from environments.access import NotAllowed
from environments.models import User
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, eventually, step

pytestmark = pytest.mark.both_databases


def rest(driver: Driver, deploy: Deploy) -> Deploy:
    def rests() -> bool:
        driver.advance(deploy)
        return deploy.rests

    eventually(rests, what="the rest")
    return deploy


def test_it_rests_when_all_is_prepared_and_then_only_flips(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, steps=[step("migrate", "echo x >>../../migrated", "once")])
    first = driver.run_to_end(request(place, "v1"))
    deploy = rest(driver, request(place, hold=True))
    assert statuses(deploy) == ["prepared"] * 3
    assert set(place.current().values()) == {release_of(first).name}
    assert place.read(next(iter(place.homes)), "migrated") == "x\n"
    rest(driver, deploy)
    assert Event.objects.filter(kind="deploy.prepared", deploy=deploy.pk).count() == 1
    with pytest.raises(Blocked, match="is prepared and waits to go live"):
        request(place)
    driver.batches.clear()
    lifecycle.flip(deploy, by=place.by)
    driver.run_to_end(deploy)
    assert (deploy.status, driver.batches) == ("succeeded", [("once", 1), ("switch", 3), ("finish", 3)])
    assert set(place.current().values()) == {release_of(deploy).name}
    told = [line.text for line in log.read_all(deploy.pk)]
    assert "3 of 3 hosts are prepared. It goes live when someone says so." in told
    assert "Ada lets it go live." in told


def test_it_goes_live_by_itself_at_its_time(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    deploy = rest(driver, request(place, flip_at=timezone.now() + timedelta(hours=1)))
    Deploy.objects.filter(pk=deploy.pk).update(flip_at=timezone.now())
    assert driver.run_to_end(deploy).status == "succeeded"
    assert Event.objects.get(kind="deploy.flipped").actor == ""


def test_the_policy_is_asked_again_before_it_goes_live(
    place: FleetTarget, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = request(place, hold=True)
    with pytest.raises(NotAllowed):
        lifecycle.flip(deploy, by=viewer)
    with monkeypatch.context() as patched:
        patched.setattr("deployments.blockers.members", lambda target, **_: target.environment.memberships.none())
        before = counts()
        with pytest.raises(Blocked, match="has no hosts yet"):
            lifecycle.flip(deploy, by=place.by)
        assert counts() == before
    deploy.refresh_from_db()
    assert deploy.held


def test_what_stands_in_the_way_at_its_time_leaves_it_to_a_person(place: FleetTarget) -> None:
    deploy = request(place, flip_at=timezone.now() + timedelta(hours=1))
    deploy.runs.update(status="prepared")
    Deploy.objects.filter(pk=deploy.pk).update(flip_at=timezone.now())
    place.by.role = "viewer"
    place.by.save()
    engine.advance(deploy.pk, offer=lambda *_: None)
    deploy.refresh_from_db()
    assert (deploy.status, deploy.held, deploy.flip_at, deploy.rests) == ("running", True, None, True)
    (refused,) = Event.objects.filter(kind="deploy.flip_refused")
    assert "deploy" in refused.facts["reason"]
    assert any("It did not go live by itself" in line.text for line in log.read_all(deploy.pk))


def test_only_what_waits_to_go_live_can_be_flipped(place: FleetTarget) -> None:
    deploy = request(place)
    with pytest.raises(NothingToFlip, match="#1 does not wait to go live; it is running"):
        lifecycle.flip(deploy, by=place.by)
    lifecycle.end(deploy, "failed", "Over.")
    held = request(place, hold=True)
    waiting = request(place, hold=True, wait=True)
    lifecycle.flip(waiting, by=place.by)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.held) == ("waiting", False), "it goes live when its turn has come"
    lifecycle.request_cancel(held, by=place.by)
    with pytest.raises(NothingToFlip, match="it is cancelling"):
        lifecycle.flip(held, by=place.by)


def test_a_time_that_is_over_changes_nothing(place: FleetTarget) -> None:
    before = counts()
    with pytest.raises(WrongTime, match="is over"):
        request(place, flip_at=timezone.now() - timedelta(seconds=1))
    assert counts() == before
