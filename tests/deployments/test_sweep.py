"""The sweep goes on with every deploy, whatever is wrong with one of them."""

import threading
import time
from collections.abc import Sequence

import pytest

from deployments import claims, engine, lifecycle, plan, sharing, tasks
from deployments.models import Deploy, HostRun
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

        eventually(over, what="the end of the other")
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


@pytest.mark.django_db
@pytest.mark.parametrize("work", ["prepare", "switch"])
def test_what_another_living_worker_is_to_do_is_left_to_it_for_a_moment(
    make_place: MakeFleetTarget, monkeypatch: pytest.MonkeyPatch, work: plan.Work
) -> None:
    """It is connected to these hosts; between two phases they belong to nobody."""
    deploy = request(make_place(hosts=3))
    begun: list[Sequence[int]] = []
    runtime = Runtime()
    monkeypatch.setattr(tasks, "_runtime", runtime)
    monkeypatch.setattr(Runtime, "do_here", lambda _, key, run_ids, act: begun.append(run_ids))
    engine.advance(deploy.pk, offer=lambda *_: None)
    do = plan.Do(work, tuple(HostRun.objects.filter(deploy=deploy).values_list("pk", flat=True)))
    other = claims.register("", "celery@other")
    try:
        monkeypatch.setattr(sharing, "switcher", lambda *_: other.inbox)
        for _ in range(2):
            runtime.overdue.begin_sweep()
            tasks._do_here(deploy.pk, do)
        assert begun == []
        monkeypatch.setattr("deployments.overdue.PATIENCE_SECONDS", 0.0)
        runtime.overdue.begin_sweep()
        tasks._do_here(deploy.pk, do)
        assert [sorted(run_ids) for run_ids in begun] == [sorted(do.runs)]
        monkeypatch.setattr("deployments.overdue.PATIENCE_SECONDS", 1000.0)
        monkeypatch.setattr(sharing, "switcher", lambda *_: runtime.worker.inbox)
        tasks._do_here(deploy.pk, do)
        assert len(begun) == 2, "its own work does not wait"
    finally:
        runtime.end()


@pytest.mark.django_db
def test_a_wave_is_never_switched_in_part(make_place: MakeFleetTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy = request(make_place(hosts=3))
    begun: list[Sequence[int]] = []
    runtime = Runtime()
    monkeypatch.setattr(tasks, "_runtime", runtime)
    monkeypatch.setattr(Runtime, "do_here", lambda _, key, run_ids, act: begun.append(run_ids))
    engine.advance(deploy.pk, offer=lambda *_: None)
    first, *rest = HostRun.objects.filter(deploy=deploy).values_list("pk", flat=True)
    other = claims.register("", "celery@other")
    monkeypatch.setattr(sharing, "switcher", lambda *_: other.inbox)
    try:
        tasks._do_here(deploy.pk, plan.Do("switch", (first,)))
        runtime.overdue.begin_sweep()
        clock = time.monotonic() + 60
        monkeypatch.setattr("deployments.overdue.time.monotonic", lambda: clock)
        tasks._do_here(deploy.pk, plan.Do("switch", (first, *rest)))
        assert begun == []
    finally:
        runtime.end()
