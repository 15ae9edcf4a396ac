"""The Deployer's own disk is nearly full: nothing new starts, what runs goes on, and the way back is open."""

import pytest

from deployments import engine, lifecycle, own_disk
from deployments.blockers import Blocked
from deployments.own_disk import Disk
from tests.deployments.ended import end, request
from tests.deployments.fleet import FleetTarget

GB = 1024**3
FULL = Disk(free=4 * GB, total=41 * GB)

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("disk", "full"),
    [
        (Disk(10, 100), True),
        (Disk(11, 100), False),
        (Disk(0, 100), True),
        (FULL, True),
        (Disk(40 * GB, 400 * GB), False),
        (Disk(0, 0), False),
    ],
)
def test_when_it_is_full(disk: Disk, full: bool) -> None:
    assert disk.full == full


def test_the_real_disk_is_asked() -> None:
    assert 0 < own_disk.look().free <= own_disk.look().total


def test_nothing_new_starts_but_a_rollback(place: FleetTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    first = end(request(place, "v1"))
    end(request(place))
    with monkeypatch.context() as patch:
        patch.setattr(own_disk, "look", lambda: FULL)
        with pytest.raises(Blocked, match=r"own disk is 91 % full: 4096 MB are free in .* New deploys wait"):
            request(place)
        waits = request(place, wait=True)
        engine.advance(waits.pk, offer=lambda *_: None)
        waits.refresh_from_db()
        assert waits.status == "waiting"
        lifecycle.request_cancel(waits, by=place.by)
        back = lifecycle.roll_back(place.target, by=place.by)
        assert (back.status, back.revision) == ("running", first.revision)
        end(back)
        again = request(place, wait=True)
    engine.advance(again.pk, offer=lambda *_: None)
    again.refresh_from_db()
    assert again.status == "running", "there is room again"


def test_what_runs_goes_on(place: FleetTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = request(place)
    monkeypatch.setattr(own_disk, "look", lambda: FULL)
    engine.advance(deploy.pk, offer=lambda *_: None)
    assert end(deploy).pk == deploy.pk
    deploy.refresh_from_db()
    assert deploy.status == "succeeded"
