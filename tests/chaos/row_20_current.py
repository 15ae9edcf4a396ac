"""R20, R21: `current` is never missing, whatever kills the one who swaps it; good releases outlive failing deploys."""

import random
from pathlib import Path

import pytest

from deployments.models import Deploy
from tests.chaos.cluster import runs_of
from tests.chaos.swapping import swap_under_kills
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, step

READS, SWAPS, KILLS = 1_000_000, 10_000, 500

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_r20_current_is_never_missing(tmp_path: Path, chance: random.Random) -> None:
    share = runs_of(100) / 100
    seen = swap_under_kills(tmp_path, chance, reads=READS * share, swaps=SWAPS * share, kills=KILLS * share)
    print(f"R20: {seen.misses} misses in {seen.reads} reads over {seen.swaps} swaps and {seen.kills} kills")
    assert seen.misses == 0


def test_r21_good_releases_outlive_failing_deploys(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    fails = '[ ! -e "$DEPLOYER_ROOT/broken-$DEPLOYER_PHASE" ]'
    place = make_fleet_target(
        hosts=1,
        keep=2,
        steps=[
            step("build", fails.replace("$DEPLOYER_PHASE", "build")),
            step("restart", fails.replace("$DEPLOYER_PHASE", "restart"), "restart"),
        ],
    )
    (root,) = place.roots()
    good = [_name(driver.run_to_end(request(place, ref))) for ref in ("v1", "main")]
    for number in range(runs_of(50)):
        phase = "restart" if number % 3 == 0 else "build"
        (root / f"broken-{phase}").touch()
        failed = driver.run_to_end(request(place))
        (root / f"broken-{phase}").unlink()
        assert failed.status == "failed"
        there = {path.name for path in (root / "releases").iterdir()}
        serves = (root / "current").readlink().name
        assert {serves, *good[-2:]} <= there, f"after {number + 1} failed deploys {good[-2:]} of {there}"
        assert serves == (_name(failed) if phase == "restart" else serves)
        assert len(there) <= 2 + 3
        if number % 10 == 9:
            good.append(_name(driver.run_to_end(request(place))))
    print(f"R21: {runs_of(50)} failed deploys: what served and the last two good ones were always there")


def _name(deploy: Deploy) -> str:
    assert deploy.release is not None
    return deploy.release.name
