"""Retries and rollbacks: new deploys that answer an earlier one, chosen by what the database knows."""

import pytest
from django.utils import timezone

from deployments import lifecycle, rollbacks
from deployments.blockers import Blocked
from deployments.models import Deploy, HeldRelease, Placement, Release
from deployments.runs import release_of
from environments.access import NotAllowed
from environments.models import Host, User
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, end, request
from tests.deployments.fleet import FleetTarget

pytestmark = pytest.mark.both_databases


def test_a_retry_is_for_the_hosts_that_did_not_make_it(place: FleetTarget) -> None:
    deploy = request(place)
    with pytest.raises(lifecycle.NothingToRetry, match="wait for its end"):
        lifecycle.retry(deploy, by=place.by)
    end(deploy, "partial", live=1)
    again = lifecycle.retry(deploy, by=place.by)
    assert (again.kind, again.of, again.release, again.number) == ("retry", deploy, deploy.release, 2)
    assert [run.host_name for run in again.runs.all()] == list(place.homes)[1:]


def test_what_succeeded_has_nothing_to_retry(place: FleetTarget, viewer: User) -> None:
    deploy = end(request(place))
    before = counts()
    with pytest.raises(lifecycle.NothingToRetry, match="No host of #1 is left"):
        lifecycle.retry(deploy, by=place.by)
    with pytest.raises(NotAllowed):
        lifecycle.retry(deploy, by=viewer)
    assert counts() == before


def test_a_rollback_goes_to_the_last_good_release(place: FleetTarget) -> None:
    good = end(request(place, "v1"))
    bad = end(request(place))
    Release.objects.filter(pk=release_of(bad).pk).update(bad=True)
    end(request(place))
    back = lifecycle.roll_back(place.target, by=place.by)
    assert (back.kind, back.of, back.release, back.revision) == ("rollback", good, good.release, good.revision)


def test_no_retry_takes_hosts_back_behind_a_newer_deploy(place: FleetTarget) -> None:
    old = end(request(place, "v1"), "partial", live=1)
    newer = end(request(place))
    newer.runs.update(switched_at=timezone.now())
    before = counts()
    with pytest.raises(lifecycle.NothingToRetry, match=f"#{newer.number} has switched hosts"):
        lifecycle.retry(old, by=place.by)
    assert counts() == before


def test_a_retry_goes_past_a_later_deploy_that_switched_nothing(place: FleetTarget) -> None:
    old = end(request(place), "partial", live=1)
    end(request(place), "failed", live=0)
    assert lifecycle.retry(old, by=place.by).of == old


def test_a_rollback_to_one_that_a_person_names(place: FleetTarget) -> None:
    first = end(request(place, "v1"))
    end(request(place))
    end(request(place))
    assert lifecycle.roll_back(place.target, to=first, by=place.by).release == first.release


def test_there_may_be_nothing_to_go_back_to(place: FleetTarget, make_place: MakeFleetTarget, viewer: User) -> None:
    other = end(request(make_place(hosts=3)))
    end(request(place))
    before = counts()
    with pytest.raises(lifecycle.CannotRollBack, match="no earlier good release"):
        lifecycle.roll_back(place.target, by=place.by)
    with pytest.raises(lifecycle.CannotRollBack, match="left no release on"):
        lifecycle.roll_back(place.target, to=other, by=place.by)
    with pytest.raises(NotAllowed):
        lifecycle.roll_back(place.target, by=viewer)
    assert counts() == before


@pytest.mark.parametrize("status", ["failed", "cancelled", "needs_attention"])
def test_no_rollback_to_what_never_went_live(place: FleetTarget, status: str) -> None:
    first = end(request(place, "v1"))
    Deploy.objects.filter(pk=first.pk).update(status=status)
    first.refresh_from_db()
    end(request(place))
    before = counts()
    with pytest.raises(lifecycle.CannotRollBack, match=f"#1 ended as {status}"):
        lifecycle.roll_back(place.target, to=first, by=place.by)
    assert counts() == before


def test_a_rollback_only_switches_the_hosts_that_hold_the_release(place: FleetTarget) -> None:
    first = end(request(place, "v1"))
    end(request(place))
    HeldRelease.objects.filter(release=first.release, placement__host__name="web-02").delete()
    back = lifecycle.roll_back(place.target, by=place.by)
    assert dict(back.runs.values_list("host_name", "status")) == {
        "web-01": "prepared",
        "web-02": "pending",
        "web-03": "prepared",
    }


def test_a_rollback_is_refused_when_a_host_lacks_what_cannot_be_laid_out_again(place: FleetTarget) -> None:
    first = end(request(place, "v1"))
    end(request(place))
    HeldRelease.objects.filter(release=first.release, placement__host__name="web-02").delete()
    Release.objects.filter(pk=release_of(first).pk).update(revision="0" * 40)
    before = counts()
    with pytest.raises(
        lifecycle.CannotRollBack, match=r"^web-02 no longer holds release .*of #1, and it cannot be laid out again: "
    ):
        lifecycle.roll_back(place.target, by=place.by)
    Release.objects.filter(pk=release_of(first).pk).update(imported=True)
    with pytest.raises(lifecycle.CannotRollBack, match="laid out by another tool"):
        lifecycle.roll_back(place.target, by=place.by)
    assert counts() == before


def test_stop_and_roll_back_is_one_act(place: FleetTarget) -> None:
    good = end(request(place, "v1"))
    sick = request(place)
    queued = request(place, wait=True)
    with pytest.raises(Blocked, match="#2 is running"):
        lifecycle.roll_back(place.target, by=place.by)
    back = lifecycle.roll_back(place.target, by=place.by, stop=True)
    sick.refresh_from_db()
    assert (sick.status, back.status, back.release) == ("cancelling", "waiting", good.release)
    assert not lifecycle.start_waiting(back), "it waits for the end of what it stops"
    lifecycle.end(sick, "cancelled", "Stopped.")
    assert lifecycle.next_waiting(place.target) == back, "before all that waited earlier"
    assert not lifecycle.start_waiting(queued)
    assert lifecycle.start_waiting(back)


def test_stop_and_roll_back_changes_nothing_when_there_is_nowhere_to_go(place: FleetTarget, viewer: User) -> None:
    running = request(place)
    before = counts()
    with pytest.raises(lifecycle.CannotRollBack, match="no earlier good release"):
        lifecycle.roll_back(place.target, by=place.by, stop=True)
    with pytest.raises(NotAllowed):
        lifecycle.roll_back(place.target, by=viewer, stop=True)
    running.refresh_from_db()
    assert (running.status, counts()) == ("running", before)


def test_stop_and_roll_back_of_what_has_just_ended_starts_at_once(place: FleetTarget) -> None:
    end(request(place, "v1"))
    end(request(place))
    assert lifecycle.roll_back(place.target, by=place.by, stop=True).status == "running"


def test_a_preview_says_what_a_rollback_would_do(place: FleetTarget) -> None:
    first = end(request(place, "v1"))
    end(request(place))
    HeldRelease.objects.filter(release=first.release, placement__host__name="web-02").delete()
    place.target.refresh_from_db()
    seen = rollbacks.preview(place.target, rollbacks.choose(place.target, None))
    assert (seen.goal, seen.holding, seen.lacking) == (first, ("web-01", "web-03"), ("web-02",))
    assert seen.undone is not None
    assert (len(seen.undone), seen.undone_count, seen.expected) == (1, 1, None)
    end(lifecycle.roll_back(place.target, by=place.by))
    assert rollbacks.preview(place.target, first).expected is not None


def test_a_release_that_served_and_failed_is_marked_bad_until_it_succeeds(place: FleetTarget) -> None:
    deploy = request(place)
    host = Host.objects.get(name="web-01")
    Placement.objects.create(host=host, target=place.target, current=deploy.release)
    deploy.runs.filter(host=host).update(switched_at=timezone.now())
    lifecycle.end(deploy, "failed", "It would not start.")
    assert Release.objects.get(pk=release_of(deploy).pk).bad
    lifecycle.end(lifecycle.retry(deploy, by=place.by), "succeeded", "It does now.")
    assert not Release.objects.get(pk=release_of(deploy).pk).bad


def test_the_best_way_back_leads_past_what_was_not_good(place: FleetTarget) -> None:
    good = end(request(place, "v1"))
    end(request(place), "failed", live=0)
    end(request(place), "partial", live=1)
    end(request(place))
    assert lifecycle.roll_back(place.target, by=place.by).of == good
