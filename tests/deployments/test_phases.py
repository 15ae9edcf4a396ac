"""What goes wrong on a host is told as it is, harms no other host, and leaves `current` alone."""

import subprocess
from pathlib import Path

import pytest

from deployments import log
from deployments.models import Deploy, HostRun
from deployments.runs import release_of
from environments.models import Host, HostKey, Target
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, Fleet, closed_port, eventually, step
from tests.processes import nap
from tests.repository import Repository


def only_run(deploy: Deploy) -> HostRun:
    return deploy.runs.get()


def living(text: str) -> list[str]:
    """Command lines of processes that hold the text."""
    listed = subprocess.run(["ps", "-eww", "-o", "args="], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if text in line]


def a_program(folder: Path, name: str, text: str) -> str:
    """A folder for PATH in which one program is another."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return str(folder)


FAILING = {
    "fails": (step("build", "echo no; exit 3"), "step", 'step "build" ended with exit code 3'),
    "is killed": (step("build", "kill -9 $$"), "step", "ended with exit code 137"),
    "is not there": (step("build", "no-such-program"), "step", "ended with exit code 127"),
    "hangs": (
        step("build", f"{nap(31)} & {nap(31)}", time_limit=2),
        "timeout",
        'step "build" ran longer than its limit of 2 seconds and was ended',
    ),
    "is silent": (
        step("build", f"echo begun; {nap(31)}", time_limit=60, silence_limit=2),
        "silence",
        'step "build" printed nothing for 2 seconds, its limit, and was ended',
    ),
    "lacks a right": (step("build", "id -u", sudo=True), "sudo", "without a password"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_step_that(name: str, make_fleet_target: MakeFleetTarget, driver: Driver, tmp_path: Path) -> None:
    facts, kind, text = FAILING[name]
    place = make_fleet_target(hosts=1, steps=[facts], path_prepend=[a_program(tmp_path / "bin", "sudo", "exit 1")])
    deploy = driver.run_to_end(request(place))
    run = only_run(deploy)
    assert (deploy.status, run.status, run.error_kind) == ("failed", "failed", kind)
    assert text in run.error
    assert run.error.endswith("What it served before is still current.")
    assert not (place.roots()[0] / "current").exists()
    eventually(lambda: not living(nap(31)), what="the end of the step's processes")
    event = Event.objects.get(kind="host_run.failed")
    assert (event.facts["host"], event.facts["error_kind"]) == (run.host_name, kind)


def test_whatever_a_step_prints_is_stored(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=1,
        steps=[
            step("odd", r"printf 'a\000b\377\n\303\244\n 10%%\r100%%\r\n\036nonce end ok\nno newline'"),
            step("noise", "head -c 20000 /dev/urandom; echo; head -c 200000 /dev/zero | tr '\\0' x; echo; echo last"),
        ],
    )
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "succeeded"
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "stdout"]
    assert said[:5] == ["a\\x00b\\xff", "ä", " 10%\r100%", "\x1enonce end ok", "no newline"]
    assert said[-2:] == [
        "x" * 65536 + f" … [line cut after 64 KB: {200_000 - 65536} more bytes]",
        "last",
    ]


def test_a_flood_is_stored_whole_and_in_order(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=2, steps=[step("flood", "seq 1 40000")])
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "succeeded"
    for host in place.homes:
        lines = list(log.read_all(deploy.pk, host=host))
        assert [line.text for line in lines if line.stream == "stdout"] == [str(n) for n in range(1, 40_001)]
        assert [line.n for line in lines] == sorted({line.n for line in lines})
    assert [line.n for line in log.read_all(deploy.pk)] == list(range(1, deploy.lines + 1))


def test_a_host_that_is_down_is_unreachable_and_the_others_go_live(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.follow.LINK_SECONDS", 1)
    place = make_fleet_target(hosts=3)
    down = list(place.homes)[1]
    Host.objects.filter(name=down).update(port=closed_port())
    deploy = driver.run_to_end(request(place))
    run = deploy.runs.get(host_name=down)
    assert (deploy.status, run.status, run.error_kind) == ("partial", "unreachable", "unreachable")
    assert f"{down} (127.0.0.1:" in run.error
    assert "Is it up, and may the Deployer reach that port?" in run.error
    assert [other.status for other in deploy.runs.exclude(pk=run.pk)] == ["live", "live"]


def test_a_host_that_does_not_let_us_in_is_told(
    make_fleet_target: MakeFleetTarget, driver: Driver, fleet: Fleet
) -> None:
    place = make_fleet_target(hosts=1)
    fleet.demo.authorized_keys.write_text("")
    try:
        deploy = driver.run_to_end(request(place))
    finally:
        fleet.demo.authorized_keys.write_text(f"{fleet.public}\n")
    run = only_run(deploy)
    assert (deploy.status, run.status, run.error_kind) == ("failed", "failed", "key-refused")
    assert "does not let the Deployer's key in as deploy" in run.error
    assert not place.roots()[0].exists()


@pytest.mark.parametrize("accepted", [True, False])
def test_a_host_whose_key_nobody_accepted_gets_nothing(
    accepted: bool, make_fleet_target: MakeFleetTarget, driver: Driver, fleet: Fleet
) -> None:
    place = make_fleet_target(hosts=1)
    if accepted:
        HostKey.objects.update(key=fleet.hosts[5].host_key.split()[1])
    else:
        HostKey.objects.all().delete()
    run = only_run(driver.run_to_end(request(place)))
    assert run.error_kind == ("host-key-changed" if accepted else "host-key-unknown")
    assert "manage.py hostkey scan" in run.error
    assert not place.roots()[0].exists()


def test_a_full_disk_leaves_what_serves_alone(
    make_fleet_target: MakeFleetTarget, driver: Driver, shop: Repository, tmp_path: Path
) -> None:
    place = make_fleet_target(hosts=2)
    first = driver.run_to_end(request(place))
    shop.commit({"index.html": "<h1>big</h1>\n", "big.bin": "0123456789abcdef" * 65536}, branch="big")
    # what the program writes may not grow beyond 32 kB, and it is not killed for trying: as on a full disk
    folder = a_program(tmp_path / "bin", "sh", "trap '' XFSZ; ulimit -f 64; exec /bin/sh \"$@\"")
    Target.objects.update(path_prepend=[folder])
    place.target.refresh_from_db()
    deploy = driver.run_to_end(request(place, "big"))
    assert deploy.status == "failed"
    for run in deploy.runs.all():
        assert (run.status, run.error_kind) == ("failed", "disk")
        assert "takes no more data" in run.error
    assert set(place.current().values()) == {release_of(first).name}
    for root in place.roots():
        assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
        assert [path.name for path in (root / "releases").iterdir()] == [release_of(first).name]


def test_a_folder_of_another_target_is_refused(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    one = make_fleet_target(hosts=1)
    other = make_fleet_target(hosts=1, root=one.target.root)
    first = driver.run_to_end(request(one))
    run = only_run(driver.run_to_end(request(other)))
    assert (run.status, run.error_kind) == ("failed", "target")
    assert one.target.slug in run.error
    assert set(one.current().values()) == {release_of(first).name}


def test_a_host_that_has_seen_a_higher_fence_waits_for_a_person(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    """The database was restored from a backup that is older than what happened on the host."""
    place = make_fleet_target(hosts=1)
    (root,) = place.roots()
    first = driver.run_to_end(request(place))
    (root / ".deployer/fence").write_text("900\n")
    deploy = driver.run_to_end(request(place))
    run = only_run(deploy)
    assert (deploy.status, run.status, run.error_kind) == ("needs_attention", "unknown", "fence")
    assert "has seen fence 900" in run.error
    assert set(place.current().values()) == {release_of(first).name}
