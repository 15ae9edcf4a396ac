"""R20, R21: `current` is never missing, whatever kills the one who swaps it; good releases outlive failing deploys."""

import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from deployments import host_program
from deployments.models import Deploy
from tests.chaos.cluster import runs_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, step

TOOLS = Path(host_program.__file__).parent / "hostside/tools.sh"
# the way of the switch program: a new link beside it, then rename(2) by `replace`
SWAPPER = f""". {TOOLS}
cd "$1"; n=0
while n=$((n + 1)); do
    rm -f next-*; ln -s releases/$((n % 2)) next-$$ && replace next-$$ current && echo x >>swaps
done"""
READS, SWAPS, KILLS = 1_000_000, 10_000, 500

pytestmark = [pytest.mark.django_db(transaction=True)]


class _Reader(threading.Thread):
    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.current, self.reads, self.misses, self.over = root / "current/file", 0, 0, False

    def run(self) -> None:
        path = str(self.current)
        while not self.over:
            for _ in range(1000):
                try:
                    os.stat(path)
                except FileNotFoundError:
                    self.misses += 1
            self.reads += 1000


def test_r20_current_is_never_missing(tmp_path: Path, chance: random.Random) -> None:
    for name in ("0", "1"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "file").touch()
    (tmp_path / "current").symlink_to("releases/0")
    share = runs_of(100) / 100
    reader = _Reader(tmp_path)
    reader.start()
    kills = swaps = 0
    while kills < KILLS * share or swaps < SWAPS * share or reader.reads < READS * share:
        swapper = subprocess.Popen(["sh", "-c", SWAPPER, "swapper", str(tmp_path)], start_new_session=True)
        time.sleep(chance.uniform(0, 0.08 if swaps >= SWAPS * share * kills / (KILLS * share) else 0.4))
        os.killpg(swapper.pid, signal.SIGKILL)
        swapper.wait()
        kills += 1
        swaps = (tmp_path / "swaps").stat().st_size // 2 if (tmp_path / "swaps").exists() else 0
        assert (tmp_path / "current").readlink() in (Path("releases/0"), Path("releases/1"))
    reader.over = True
    reader.join()
    print(f"R20: {reader.misses} misses in {reader.reads} reads over {swaps} swaps and {kills} kills")
    assert reader.misses == 0


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
