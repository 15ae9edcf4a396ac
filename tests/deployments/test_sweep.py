"""The sweep goes on with every deploy, whatever is wrong with one of them."""

import threading
import time

import pytest

from deployments import tasks
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
