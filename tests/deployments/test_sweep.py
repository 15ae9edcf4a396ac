"""The sweep goes on with every deploy, whatever is wrong with one of them."""

import threading
import time

import pytest

from deployments import engine, lifecycle, tasks
from deployments.models import Deploy
from deployments.runtime import Runtime
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import eventually

pytestmark = pytest.mark.both_databases


def test_one_broken_deploy_keeps_no_other_from_going_on(
    make_fleet_target: MakeFleetTarget, valkey: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = request(make_fleet_target(hosts=1)), request(make_fleet_target(hosts=1))
    Deploy.objects.filter(pk=broken.pk).update(plan=[])  # as nobody may write it
    runtime = Runtime()
    monkeypatch.setattr(tasks, "_runtime", runtime)
    try:

        def over() -> bool:
            tasks.sweep()
            whole.refresh_from_db()
            return whole.finished_at is not None

        eventually(over, 60, "the end of the other")
    finally:
        runtime.end()
        runtime.pool.shutdown()
    assert whole.status == "succeeded"
    assert f"Deploy {broken.pk} could not be advanced" in caplog.text


def test_a_thread_of_a_worker_survives_any_mistake(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.runtime.SWEEP_SECONDS", 0.05)
    runtime = Runtime()
    times: list[float] = []
    enough = threading.Event()

    def sweep() -> None:
        times.append(time.monotonic())
        if len(times) > 2:
            enough.set()
        raise RuntimeError("a mistake of ours")

    runtime.start(sweep)
    try:
        assert enough.wait(30)
    finally:
        runtime.end()


@pytest.mark.django_db
def test_a_worker_with_a_backlog_looks_for_no_more_but_hears_a_cancel(
    make_place: MakeFleetTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read all host runs of a large deploy every 3 s, only to find them under way, grows with their square."""
    busy, other = request(make_place(hosts=3)), request(make_place(hosts=1))
    looked: list[int] = []
    runtime = Runtime()
    monkeypatch.setattr(tasks, "_runtime", runtime)
    monkeypatch.setattr(engine, "advance", lambda deploy_id, **_: looked.append(deploy_id))
    try:
        errand = runtime.pool.begin((busy.pk, "prepare"), [1, 2])
        assert errand is not None
        tasks.sweep()
        assert looked == [other.pk]
        lifecycle.request_cancel(busy, by=busy.by)
        tasks.sweep()
        assert looked == [other.pk, busy.pk, other.pk]
        Deploy.objects.filter(pk=busy.pk).update(status="running")
        runtime.pool.next_piece(errand, 2)
        tasks.sweep()
        assert looked[3:] == [busy.pk, other.pk], "all of it is in hand, so there may be more to take"
    finally:
        runtime.end()
