"""R17, R18: a host's disk is full, out of inodes or read-only at any step. Needs root."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deployments.models import Deploy
from deployments.states import DeployStatus
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request
from tests.deployments.fleet import Driver, FleetTarget, step
from tests.patience import within

WAITS = "touch ../../at-{0}; until [ -e ../../go-{0} ]; do sleep 0.1; done; echo {0} done"
STEPS = [
    step("build", WAITS.format("build")),
    step("restart", WAITS.format("restart"), "restart"),
]

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def small_disk(make_fleet_target: MakeFleetTarget) -> Iterator[FleetTarget]:
    """A target whose root is a disk of 64 MB."""
    assert os.getuid() == 0, "A disk of its own needs root."
    place = make_fleet_target(hosts=1, steps=STEPS)
    (root,) = place.roots()
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=2000", "tmpfs", root], check=True)
    subprocess.run(["chmod", "777", root], check=True)
    yield place
    subprocess.run(["umount", "-l", root], check=True)


def _fill(root: Path, how: str) -> None:
    if how == "read-only":
        command = ["mount", "-o", "remount,ro", str(root)]
        within(lambda: subprocess.run(command, check=False, capture_output=True).returncode == 0, 30, "read-only")
    elif how == "inodes":
        (root / "filler").mkdir(exist_ok=True)
        with suppress(OSError):
            for n in range(5000):
                (root / f"filler/{n}").touch()
    else:
        with suppress(OSError), (root / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)


def _free(root: Path) -> None:
    subprocess.run(["mount", "-o", "remount,rw", root], check=True)
    subprocess.run(["rm", "-rf", root / "filler"], check=True)


def _let_go(root: Path, *names: str) -> None:
    for name in names:
        (root / f"go-{name}").touch()


def _digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


CASES = [(how, moment) for how in ("blocks", "inodes") for moment in ("before", "build", "restart")]


# what is being written to cannot be made read-only: that is a host which came up so
@pytest.mark.parametrize(("how", "moment"), [*CASES, ("read-only", "before")])
def test_r17_r18_a_disk_that_is_full(small_disk: FleetTarget, driver: Driver, how: str, moment: str) -> None:
    place = small_disk
    (root,) = place.roots()
    _let_go(root, "build", "restart")
    first = driver.run_to_end(request(place, "v1"))
    assert first.status == DeployStatus.SUCCEEDED
    served = (root / "current").readlink()
    before = _digests(root / served)
    for name in ("build", "restart"):
        (root / f"go-{name}").unlink()
        (root / f"at-{name}").unlink()
    deploy = request(place)
    if moment == "before":
        _fill(root, how)
        driver.run_to_end(deploy)
    else:
        if moment == "restart":
            (root / "go-build").touch()
        (root / f"go-{moment}.tmp").touch()
        with driver.running(deploy, 120):
            within((root / f"at-{moment}").exists, 60, "the step")
            (root / f"go-{moment}.tmp").rename(root / f"go-{moment}")
            _fill(root, how)
    _check_truth(place, deploy, served, before)
    assert all("link" not in error for error in errors(deploy).values()), "the host answers, and says what is wrong"
    print(f"R17 R18: {how} at {moment}: {deploy.status}: {list(errors(deploy).values())[:1]}")
    _free(root)
    _let_go(root, "build", "restart")
    again = driver.run_to_end(request(place))
    assert (again.status, errors(again)) == (DeployStatus.SUCCEEDED, {})


def _check_truth(place: FleetTarget, deploy: Deploy, served: Path, before: dict[str, str]) -> None:
    assert deploy.release is not None
    (root,) = place.roots()
    run = deploy.runs.get()
    new = Path("releases") / deploy.release.name
    assert (root / "current").readlink() == (new if run.switched_at else served)
    assert _digests(root / served) == before, "the release from before was touched"
    if run.switched_at:
        assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
    else:
        assert deploy.status == DeployStatus.FAILED
