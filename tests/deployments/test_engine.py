"""Deploys to real SSH hosts, from the request to the last line of the log."""

import hashlib
from pathlib import Path

import pytest

from deployments import lifecycle, log
from deployments.models import Deploy, HeldRelease, Placement
from deployments.runs import release_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget, step

FAILS_IF_BROKEN = 'if [ -e "$DEPLOYER_ROOT/broken" ]; then echo "this host is broken" >&2; exit 7; fi'


def errors(deploy: Deploy) -> dict[str, str]:
    return {run.host_name: run.error for run in deploy.runs.all() if run.error}


def statuses(deploy: Deploy) -> list[str]:
    return [run.status for run in deploy.runs.all()]


def break_host(place: FleetTarget, host: str) -> Path:
    """Makes FAILS_IF_BROKEN fail there."""
    place.root(host).mkdir(exist_ok=True)
    mark = place.root(host) / "broken"
    mark.touch()
    return mark


def flips(place: FleetTarget) -> list[int]:
    """When each host switched last, in milliseconds."""
    return [int((root / ".deployer/journal").read_text().splitlines()[-1].split()[0]) for root in place.roots()]


@pytest.mark.parametrize("distribution", ["archive", "git"])
def test_it_deploys_to_twelve_hosts_together(
    distribution: str, make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(
        hosts=12,
        distribution=distribution,
        steps=[step("build", "echo building; echo warned >&2"), step("restart", "echo up", "restart")],
    )
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    assert set(place.current().values()) == {release_of(deploy).name}
    for root in place.roots():
        assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
        assert (root / "current/latest").readlink().name == "index.html"
        assert (root / "current/REVISION").read_text() == f"{deploy.revision}\n"
    lines = list(log.read_all(deploy.pk))
    assert [line.n for line in lines] == list(range(1, deploy.lines + 1))
    assert deploy.log_sha256 == hashlib.sha256("".join(f"{line.text}\n" for line in lines).encode()).hexdigest()
    for name in place.homes:
        own = [line.text for line in lines if line.host == name and line.stream == "stdout"]
        assert own == ["building", "warned", "up"]
    assert driver.batches == [("prepare", 12), ("switch", 12), ("finish", 12)]
    print(f"flip skew over 12 hosts by {distribution}: {max(flips(place)) - min(flips(place))} ms")


def test_it_deploys_again_and_rolls_back(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        steps=[
            step("build", "echo building >>../../built"),
            step("migrate", "echo migrating >>../../migrated", "once"),
            step("restart", "cat index.html", "restart"),
        ]
    )
    first = driver.run_to_end(request(place, "v1"))
    second = driver.run_to_end(request(place))
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert set(place.current().values()) == {release_of(second).name}
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert (back.status, back.of, errors(back)) == ("succeeded", first, {})
    assert set(place.current().values()) == {release_of(first).name}
    assert set(Placement.objects.values_list("current", flat=True)) == {first.release_id}
    for host, root in zip(place.homes, place.roots(), strict=True):
        assert (root / "built").read_text().split() == ["building"] * 2, "a rollback builds nothing"
        switches = (root / "revisions.log").read_text().splitlines()
        assert [line.split()[1] for line in switches] == [release_of(d).name for d in (first, second, first)]
        assert [line.text for line in log.read_all(back.pk, host=host) if line.stream == "stdout"] == ["<h1>one</h1>"]
    migrated = [root / "migrated" for root in place.roots() if (root / "migrated").exists()]
    assert [path.read_text().split() for path in migrated] == [["migrating"] * 2], "a rollback migrates nothing"


def test_a_host_that_fails_before_the_switch_is_left_out_and_retried(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(
        hosts=3, steps=[step("build", FAILS_IF_BROKEN), step("migrate", "echo x >>../../migrated", "once")]
    )
    good, bad = list(place.homes)[:2], list(place.homes)[2]
    mark = break_host(place, bad)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, deploy.reason) == ("partial", "2 of 3 hosts are live.")
    assert list(errors(deploy)) == [bad]
    assert 'step "build" ended with exit code 7' in errors(deploy)[bad]
    assert "What it served before is still current." in errors(deploy)[bad]
    assert "this host is broken" in [line.text for line in log.read_all(deploy.pk, host=bad)]
    assert not (place.root(bad) / "current").exists()
    assert all((place.root(host) / "current/index.html").exists() for host in good)
    mark.unlink()
    again = driver.run_to_end(lifecycle.retry(deploy, by=place.by))
    assert (again.status, again.runs.count(), errors(again)) == ("succeeded", 1, {})
    assert set(place.current().values()) == {release_of(deploy).name}
    migrated = [root / "migrated" for root in place.roots() if (root / "migrated").exists()]
    assert [path.read_text() for path in migrated] == ["x\n"], "a retry does not migrate again"


def test_a_host_that_fails_after_the_switch_is_told_true_and_retried(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(
        steps=[step("build", "echo x >>../../built"), step("restart", FAILS_IF_BROKEN, "restart")]
    )
    bad = list(place.homes)[1]
    mark = break_host(place, bad)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, statuses(deploy)) == ("partial", ["live", "failed"])
    assert f"The new release {deploy.revision[:7]} is current there." in errors(deploy)[bad]
    assert set(place.current().values()) == {release_of(deploy).name}
    mark.unlink()
    again = driver.run_to_end(lifecycle.retry(deploy, by=place.by))
    assert (again.status, errors(again)) == ("succeeded", {})
    assert place.read(bad, "built") == "x\n", "what lies there is taken, not built again"


def test_below_the_threshold_nothing_is_switched(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, needed=67, steps=[step("build", FAILS_IF_BROKEN)])
    first = driver.run_to_end(request(place, "v1"))
    for host in list(place.homes)[1:]:
        break_host(place, host)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, statuses(deploy)) == ("failed", ["skipped", "failed", "failed"])
    assert "Only 1 of 3 hosts could be prepared, 67 % are needed. Nothing was switched." in [
        line.text for line in log.read_all(deploy.pk)
    ]
    assert set(place.current().values()) == {release_of(first).name}
    assert driver.batches[1] == ("switch", 3)
    assert [work for work, _ in driver.batches].count("switch") == 1


def test_a_step_that_runs_once_runs_where_its_role_is(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=4,
        roles={1: ["db"], 2: ["db", "web"], 3: ["web"]},
        steps=[
            step("migrate", "echo x >>../../once", "once", roles=["db"]),
            step("warm", "echo x >>../../warm", "after", roles=["web"]),
        ],
    )
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    ran = [n for n, root in enumerate(place.roots()) if (root / "once").exists()]
    assert ran == [1]
    assert (place.roots()[1] / "once").read_text() == "x\n"
    assert [n for n, root in enumerate(place.roots()) if (root / "warm").exists()] == [2, 3]


def test_a_step_that_runs_once_and_fails_stops_all(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(steps=[step("migrate", "echo x >>../../once; exit 3", "once")])
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, statuses(deploy)) == ("failed", ["failed", "skipped"])
    assert [root / "once" for root in place.roots() if (root / "once").exists()] == [place.roots()[0] / "once"]
    assert not any((root / "current").exists() for root in place.roots())


def test_only_hosts_with_the_targets_role_take_part(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, roles={0: ["web"], 2: ["web"]}, role="web")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, deploy.reason) == ("succeeded", "2 of 2 hosts are live.")
    assert not place.roots()[1].exists()


def test_shared_folders_and_files_are_linked(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=1,
        linked_dirs=["log", "public/uploads"],
        linked_files=["settings.ini"],
        umask="027",
        steps=[step("build", "echo x >built")],
    )
    (root,) = place.roots()
    refused = driver.run_to_end(request(place))
    assert refused.status == "failed"
    assert "shared/settings.ini does not exist on this host" in next(iter(errors(refused).values()))
    (root / "shared/settings.ini").write_text("colour = blue\n")
    (root / "shared/log").mkdir(exist_ok=True)
    (root / "shared/log/old").write_text("kept\n")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    assert (root / "current/settings.ini").read_text() == "colour = blue\n"
    assert (root / "current/log/old").read_text() == "kept\n"
    assert (root / "current/public/uploads").is_symlink()
    assert (root / "current/built").stat().st_mode & 0o777 == 0o640


def test_old_releases_are_removed_and_forgotten(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1, keep=2)
    (root,) = place.roots()
    names = [release_of(driver.run_to_end(request(place))).name for _ in range(4)]
    assert sorted(path.name for path in (root / "releases").iterdir()) == sorted(names)[-2:]
    held = HeldRelease.objects.filter(placement__target=place.target).values_list("release__name", flat=True)
    assert sorted(held) == sorted(names)[-2:]
    with pytest.raises(lifecycle.CannotRollBack, match="no longer holds release"):
        lifecycle.roll_back(place.target, to=Deploy.objects.get(target=place.target, number=1), by=place.by)


def test_steps_are_told_where_they_are(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1, roles={0: ["web", "db"]}, steps=[step("say", "env | grep ^DEPLOYER_; pwd -P")])
    deploy = driver.run_to_end(request(place))
    (host,) = place.homes
    said = {line.text for line in log.read_all(deploy.pk, host=host)}
    root = place.root(host).resolve()
    assert {
        f"DEPLOYER_APPLICATION={place.target.application.name}",
        f"DEPLOYER_ENVIRONMENT={place.target.environment.name}",
        f"DEPLOYER_HOST={host}",
        "DEPLOYER_REGION=eu-west",
        "DEPLOYER_ZONE=eu-west-a",
        "DEPLOYER_ROLES=web db",
        "DEPLOYER_NUMBER=1",
        "DEPLOYER_REF=main",
        f"DEPLOYER_REVISION={deploy.revision}",
        f"DEPLOYER_ROOT={root}",
        f"DEPLOYER_RELEASE_PATH={root}/releases/{release_of(deploy).name}",
        f"DEPLOYER_SHARED_PATH={root}/shared",
        f"{root}/releases/{release_of(deploy).name}",
    } <= said


def test_one_that_waits_starts_when_the_other_is_over(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    first = request(place, "v1")
    second = lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)
    driver.run_to_end(first)
    driver.run_to_end(second)
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert set(place.current().values()) == {release_of(second).name}
