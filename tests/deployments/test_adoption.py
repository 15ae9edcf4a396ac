"""Workers die, hang and lose their broker; their deploys go on, and nothing is done twice."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from deployer_site.valkey import find_binary, write_configuration
from deployments import lifecycle, log
from deployments.models import Deploy
from deployments.runs import release_of
from deployments.states import FINAL
from environments import approval_rules, teams, windows
from environments.models import User
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget, closed_port, eventually, step
from tests.deployments.workers import RunningWorker, StartWorkers, killed_afterwards, start_workers
from tests.processes import Processes

COUNTS = "echo x >>../../ran; n=1; while [ $n -le {lines} ]; do echo line $n; n=$((n + 1)); sleep 0.1; done"


@pytest.fixture
def workers(processes: Processes, repositories: Path, valkey: str, transactional_db: None) -> Iterator[StartWorkers]:
    """`workers(2)` starts two real ones."""
    yield from killed_afterwards(
        lambda count, redis_url=valkey: start_workers(processes, repositories, count, redis_url)
    )


def over(deploy: Deploy) -> bool:
    deploy.refresh_from_db()
    return deploy.status in FINAL


def all_ran(place: FleetTarget) -> bool:
    return all((root / "ran").exists() for root in place.roots())


def check_that_all_ran_once(place: FleetTarget, deploy: Deploy, lines: int) -> None:
    errors = [run.error for run in deploy.runs.all() if run.error]
    assert (deploy.status, errors) == ("succeeded", [])
    assert [(root / "ran").read_text() for root in place.roots()] == ["x\n"] * len(place.homes)
    for host in place.homes:
        said = [line.text for line in log.read_all(deploy.pk, host=host) if line.stream == "stdout"]
        assert said == [f"line {n}" for n in range(1, lines + 1)]
    assert [line.n for line in log.read_all(deploy.pk)] == list(range(1, deploy.lines + 1))
    assert set(place.current().values()) == {release_of(deploy).name}


def test_what_a_killed_worker_has_begun_is_adopted(make_fleet_target: MakeFleetTarget, workers: StartWorkers) -> None:
    place = make_fleet_target(hosts=4, steps=[step("count", COUNTS.format(lines=60))])
    two = workers(2)
    deploy = request(place)
    eventually(lambda: all_ran(place), what="the step's begin on all hosts")
    victim = next(one for one in two if one.runs())
    victim.kill()
    killed = time.monotonic()
    eventually(lambda: over(deploy), what="the deploy's end")
    check_that_all_ran_once(place, deploy, 60)
    print(f"adopted and ended {time.monotonic() - killed:.1f} s after the kill")


def test_when_all_workers_were_killed_the_next_one_ends_the_deploy(
    make_fleet_target: MakeFleetTarget, workers: StartWorkers
) -> None:
    place = make_fleet_target(hosts=2, steps=[step("count", COUNTS.format(lines=20), "restart")])
    one, other = workers(2)
    deploy = request(place)
    eventually(lambda: all_ran(place), what="the restart on all hosts")
    one.kill()
    other.kill()
    workers(1)
    eventually(lambda: over(deploy), what="the deploy's end")
    check_that_all_ran_once(place, deploy, 20)


def _stopped(worker: RunningWorker) -> bool:
    """Stop it, unless it is in the middle of writing: SQLite has one lock for all, and a stopped process keeps it."""
    worker.stop()
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0.5, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            worker.signal(signal.SIGCONT)
            return False
        database.execute("ROLLBACK")
        return True


def _wakes(worker: RunningWorker) -> None:
    row = worker.row()
    assert row is not None
    before = row.renewed_at
    worker.signal(signal.SIGCONT)

    def renewed() -> bool:
        again = worker.row()
        return again is not None and again.renewed_at > before

    eventually(renewed, what="the renewal of the worker that woke")


def _truth(deploy: Deploy) -> list[object]:
    return [
        Deploy.objects.filter(pk=deploy.pk).values_list("status", "reason", "lines", "log_sha256").get(),
        list(deploy.runs.order_by("pk").values_list("status", "fence", "error", "finished_at")),
        log.digest(deploy.pk),
    ]


def test_a_worker_that_wakes_after_its_claims_were_taken_changes_nothing(
    make_fleet_target: MakeFleetTarget, workers: StartWorkers
) -> None:
    waits = "until [ -e ../../go ]; do sleep 0.1; done;"
    place = make_fleet_target(hosts=2, steps=[step("count", f"{COUNTS.format(lines=5)}; {waits}")])
    two = workers(2)
    deploy = request(place)
    eventually(lambda: all_ran(place) and any(each.runs() for each in two), what="the step on all hosts")
    one, other = sorted(two, key=lambda each: not each.runs())
    eventually(lambda: _stopped(one), what="a moment in which the worker writes nothing")
    eventually(lambda: len(other.runs()) == 2, what="the adoption by the other worker")
    for root in place.roots():
        (root / "go").touch()
    eventually(lambda: over(deploy), what="the deploy's end")
    check_that_all_ran_once(place, deploy, 5)
    truth = _truth(deploy)
    journals = [(root / ".deployer/journal").read_text() for root in place.roots()]
    _wakes(one)
    second = request(place, "v1")
    eventually(lambda: over(second), what="the next deploy's end")
    assert second.status == "succeeded"
    assert _truth(deploy) == truth
    check_that_all_ran_twice(place)
    for root, before in zip(place.roots(), journals, strict=True):
        after = (root / ".deployer/journal").read_text()
        assert after.startswith(before)
        fences = [int(line.split()[1]) for line in after.splitlines()]
        assert fences == sorted(fences)
        assert len(fences) == 2


def check_that_all_ran_twice(place: FleetTarget) -> None:
    """Once for each of two deploys."""
    assert [(root / "ran").read_text() for root in place.roots()] == ["x\nx\n"] * len(place.homes)


def test_a_deploy_is_carried_to_its_end_without_a_broker(
    make_fleet_target: MakeFleetTarget,
    workers: StartWorkers,
    processes: Processes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    place = make_fleet_target(hosts=2, steps=[step("count", COUNTS.format(lines=3))])
    url = f"redis://:of-tests-only@127.0.0.1:{closed_port()}/0"
    broker = processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
    workers(1, redis_url=url)
    broker.kill()
    broker.wait()
    monkeypatch.setattr(current_app.conf, "broker_write_url", url)
    began = time.monotonic()
    deploy = request(place)
    took = time.monotonic() - began
    assert took < 30, "the person who clicks does not wait for the broker"
    eventually(lambda: over(deploy), what="the deploy's end")
    check_that_all_ran_once(place, deploy, 3)
    print(f"requested in {took:.1f} s, ended {time.monotonic() - began:.1f} s after it, without a broker")


def test_what_waits_for_an_opening_or_an_approval_survives_the_end_of_everything(
    make_fleet_target: MakeFleetTarget, workers: StartWorkers
) -> None:
    """Every worker is killed; then a window opens and the approvals come: nothing that waited is forgotten."""
    outside, asking = make_fleet_target(hosts=1), make_fleet_target(hosts=1)
    opens = (timezone.now() + timedelta(hours=6)).time().replace(second=0, microsecond=0)
    closes = (timezone.now() + timedelta(hours=8)).time().replace(second=0, microsecond=0)
    closed = windows.Window((1, 2, 3, 4, 5, 6, 7), opens, closes, "UTC")
    windows.set_windows(outside.target.environment, [closed], by=None)
    team, person = teams.make("release", by=None), User.objects.create_user("approver")
    teams.add_member(team, person, by=None)
    approval_rules.set_approvals(asking.target, number=1, team=team, hours=1, by=None)
    waiting = [request(place, wait=True) for place in (outside, asking) for _ in range(2)]
    assert {one.status for one in waiting} == {"waiting"}
    for worker in workers(2):
        worker.kill()
    windows.set_windows(outside.target.environment, [], by=None)
    for one in waiting[2:]:
        lifecycle.approve(one, by=person, subject=one.subject)
    workers(1)  # the rings of before are forgotten
    for one in waiting:
        eventually(partial(over, one), what=f"the end of #{one.number}")
    assert [one.status for one in waiting] == ["succeeded"] * 4
