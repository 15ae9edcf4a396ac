"""Removing an endpoint's folder: all of it, and never anything else."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.host_program import remove_command
from deployments.host_values import HostStep, Mark
from deployments.program_texts import away_outline
from tests.deployments.host_program.hosts import NONCE, Host, Tree, prepare, release
from tests.patience import eventually


def make_endpoint(host: Host, shop: Tree, name: str = "feature-x") -> None:
    """A release that serves in `endpoints/NAME` of the host's folder."""
    above = host.root
    above.mkdir()
    (above / "releases").mkdir()
    (above / "releases" / "kept").touch()
    host.place = replace(host.place, root=f"{above}/endpoints/{name}", target=f"shop/staging/{name}")
    host.run_program(prepare(host, release(1), shop), archive=shop)
    host.switch(release(1))


def remove(host: Host, *, endpoint: str = "feature-x", fence: int = 9) -> Mark:
    command = remove_command(host.place, folder="endpoints", endpoint=endpoint, fence=fence, nonce=NONCE)
    return host.run(command).to_end()[-1]


def everything(host: Host) -> set[Path]:
    return set(host.root.parent.parent.parent.rglob("*"))


def test_nothing_is_left_and_nothing_else_is_touched(any_host: Host, shop: Tree) -> None:
    make_endpoint(any_host, shop)
    above = any_host.root.parent.parent
    outside = above / "releases"
    (any_host.root / "shared").mkdir(exist_ok=True)
    (any_host.root / "shared" / "out").symlink_to(outside)
    (any_host.root / "shared" / "closed").mkdir()
    (any_host.root / "shared" / "closed" / "file").touch()
    (any_host.root / "shared" / "closed").chmod(0o500)
    assert remove(any_host) == Mark("gone", "")
    assert sorted(os.listdir(above)) == ["releases"]
    assert os.listdir(outside) == ["kept"]
    assert remove(any_host) == Mark("gone", ""), "once more is harmless"


def test_another_endpoint_stays(host: Host, shop: Tree) -> None:
    make_endpoint(host, shop)
    (host.root.parent / "feature-xy").mkdir()
    (host.root.parent / ".gone-feature-x.12").mkdir()
    (host.root.parent / ".gone-feature-x.y").mkdir()
    (host.root.parent / ".gone-feature-xy.12").mkdir()
    assert remove(host).word == "gone"
    assert sorted(os.listdir(host.root.parent)) == [".gone-feature-x.y", ".gone-feature-xy.12", "feature-xy"]


def test_a_folder_that_is_no_endpoints_is_refused(host: Host, shop: Tree) -> None:
    make_endpoint(host, shop)
    there = host.place
    before = everything(host)
    host.place = replace(there, root=str(Path(there.root).parent.parent))
    assert remove(host).word == "refused"
    host.place = replace(there, root=str(Path(there.root).parent))
    assert remove(host).word == "refused"
    host.place = replace(there, target="shop/staging")
    assert remove(host).word == "refused"
    host.place = replace(there, target="other/staging/feature-x")
    assert remove(host) == Mark("refused", "target shop/staging/feature-x")
    host.place = there
    assert remove(host, endpoint="feature-y").word == "refused"
    assert everything(host) == before


def test_without_our_mark_it_is_refused(host: Host, shop: Tree) -> None:
    make_endpoint(host, shop)
    (host.state / "target").unlink()
    before = everything(host)
    assert "nothing in" in remove(host).args
    assert everything(host) == before


@pytest.mark.parametrize("which", ["root", "above"])
def test_a_link_to_elsewhere_is_refused(host: Host, shop: Tree, which: str) -> None:
    make_endpoint(host, shop)
    moved = host.root if which == "root" else host.root.parent
    moved.rename(moved.parent / "elsewhere")
    moved.symlink_to(moved.parent / "elsewhere")
    assert "is a link to another folder" in remove(host).args
    assert (host.root / "current").is_symlink()


def test_an_older_claim_is_refused(host: Host, shop: Tree) -> None:
    make_endpoint(host, shop)
    (host.state / "fence").write_text("12\n")
    assert remove(host, fence=11) == Mark("refused", "fence 12")
    assert host.root.exists()


@pytest.fixture
def sleeper() -> Iterator[list["subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_what_still_runs_there_is_told(host: Host, shop: Tree, sleeper: list["subprocess.Popen[bytes]"]) -> None:
    make_endpoint(host, shop)
    sleeper.append(subprocess.Popen(["sleep", "600"], cwd=host.root / "current"))
    said = remove(host)
    assert (said.word, said.args.split()[:3]) == ("refused", ["running", "process", str(sleeper[0].pid)])
    assert (host.root / "current").is_symlink()
    sleeper[0].kill()
    sleeper[0].wait()
    assert remove(host).word == "gone"


def test_a_program_at_work_is_not_disturbed(host: Host, shop: Tree) -> None:
    make_endpoint(host, shop)
    stop = away_outline(host.place, [HostStep("stop", "touch ../../../started; sleep 600")])
    host.start(stop.text({}), name="d2-task-1", fence=2)
    eventually((host.root.parent / "started").exists, what="the step runs")
    assert "another program is at work" in remove(host).args
    assert (host.root / "current").is_symlink()


def test_steps_stop_what_serves_or_nothing(any_host: Host, shop: Tree) -> None:
    make_endpoint(any_host, shop)
    stop = away_outline(any_host.place, [HostStep("stop", 'echo "$DEPLOYER_RELEASE" >../../../stopped')])
    channel = any_host.run_program(stop.text({}), name="d2-task-1", fence=2)
    assert channel.wait_for("end").args == "ok"
    assert (any_host.root.parent / "stopped").read_text().strip() == release(1).name
    (any_host.root.parent / "stopped").unlink()
    (any_host.root / "current").unlink()
    channel = any_host.run_program(stop.text({}), name="d3-task-1", fence=3)
    assert channel.wait_for("end").args == "ok"
    assert not (any_host.root.parent / "stopped").exists()
