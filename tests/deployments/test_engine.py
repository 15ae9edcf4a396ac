"""Deploys to real SSH hosts, from the request to the last line of the log."""

import hashlib
from pathlib import Path

import pytest

from deployments import lifecycle, log, phases, switching
from deployments.models import Deploy, HeldRelease, Placement, Program
from deployments.runs import release_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Died, Driver, FleetTarget, step
from tests.repository import Repository

FAILS_IF_BROKEN = 'if [ -e "$DEPLOYER_ROOT/broken" ]; then echo "this host is broken" >&2; exit 7; fi'


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


def test_a_worker_that_dies_right_after_the_word_leaves_no_host_behind(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All hosts have switched and no row says so: they are asked again, and none switches twice."""
    place = make_fleet_target(hosts=3)
    first = driver.run_to_end(request(place, "v1"))
    deploy = request(place)

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(switching, "record", die)
        with pytest.raises(Died):
            driver.run_to_end(deploy)
    assert set(place.current().values()) == {release_of(deploy).name}
    assert statuses(deploy) == ["prepared"] * 3
    driver.run_to_end(deploy)
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    for root in place.roots():
        switches = (root / "revisions.log").read_text().splitlines()
        assert [line.split()[1] for line in switches] == [release_of(d).name for d in (first, deploy)]


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


def test_old_releases_are_removed_and_forgotten(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1, keep=2)
    (root,) = place.roots()
    names = [release_of(driver.run_to_end(request(place))).name for _ in range(4)]
    assert sorted(path.name for path in (root / "releases").iterdir()) == sorted(names)[-2:]
    held = HeldRelease.objects.filter(placement__target=place.target).values_list("release__name", flat=True)
    assert sorted(held) == sorted(names)[-2:]
    first = Deploy.objects.get(target=place.target, number=1)
    back = driver.run_to_end(lifecycle.roll_back(place.target, to=first, by=place.by))
    assert (back.status, set(place.current().values())) == ("succeeded", {names[0]}), "it was laid out again"


def test_one_that_waits_starts_when_the_other_is_over(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    first = request(place, "v1")
    second = lifecycle.request_deploy(target=place.target, ref="main", by=place.by, wait=True)
    driver.run_to_end(first)
    driver.run_to_end(second)
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert set(place.current().values()) == {release_of(second).name}


def test_all_hosts_or_none(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, needed=0, on_failure="abort", steps=[step("build", FAILS_IF_BROKEN)])
    first = driver.run_to_end(request(place, "v1"))
    bad = list(place.homes)[2]
    break_host(place, bad)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, statuses(deploy)) == ("failed", ["skipped", "skipped", "failed"])
    assert f"{bad} could not be prepared, and this target switches all hosts or none. Nothing was switched." in [
        line.text for line in log.read_all(deploy.pk)
    ]
    assert set(place.current().values()) == {release_of(first).name}


@pytest.mark.parametrize(
    ("command", "repeatable", "tries", "status"),
    [
        ("echo try >>../../tries; [ $(wc -l <../../tries) -gt 1 ]", True, 2, "succeeded"),
        ("echo try >>../../tries; false", True, 2, "failed"),
        ("echo try >>../../tries; false", False, 1, "failed"),
    ],
)
def test_a_host_that_could_not_be_prepared_is_tried_once_more(
    make_fleet_target: MakeFleetTarget,
    driver: Driver,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    repeatable: bool,
    tries: int,
    status: str,
) -> None:
    monkeypatch.setattr(phases, "SECOND_CHANCE_SECONDS", 0)
    build = step("build", command, repeatable=repeatable)
    place = make_fleet_target(hosts=1, on_failure="retry", steps=[build])
    deploy = driver.run_to_end(request(place))
    (host,) = place.homes
    assert (deploy.status, place.read(host, "tries")) == (status, "try\n" * tries)
    assert any("It is tried once more." in line.text for line in log.read_all(deploy.pk)) == (tries > 1)


def test_a_file_that_the_application_changed_costs_a_second_attempt_and_is_as_in_the_revision(
    make_fleet_target: MakeFleetTarget, driver: Driver, shop: Repository
) -> None:
    place = make_fleet_target(hosts=2)
    driver.run_to_end(request(place, shop.commit({"other": "1"}, branch="carried")))
    (place.roots()[0] / "current/index.html").write_text("written by the application")
    deploy = driver.run_to_end(request(place, shop.commit({"other": "2"}, branch="carried")))
    assert deploy.status == "succeeded", deploy.reason
    for root in place.roots():
        assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
        assert (root / "current/other").read_text() == "2"
    programs = Program.objects.filter(run__deploy=deploy, phase="prepare").order_by("run", "attempt")
    assert [program.result.split()[:2] for program in programs] == [["failed", "base"], ["ok"], ["ok"]]
