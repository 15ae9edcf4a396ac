"""R03, R04: a worker sleeps for two minutes and wakes; workers die under a long step. Nothing old is done late."""

import random
import signal
import time

import pytest
from django.db import connection

from deployments import lifecycle, log
from deployments.models import Deploy
from deployments.states import DeployStatus
from tests.chaos.cluster import Cluster, await_ends, over, runs_of, warm_up
from tests.chaos.counted import COUNTED_STEPS, counted_step
from tests.chaos.truth import check_true_end
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget
from tests.deployments.test_adoption import _stopped
from tests.deployments.test_cancel import processes_with
from tests.patience import within

AT_ONCE = 5
ASLEEP_SECONDS = 120.0
ORPHAN_SECONDS = 30.0
LONG_STEPS = (counted_step("build", lines=40, pause=0.5), *COUNTED_STEPS[1:])

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r03_a_worker_that_wakes_changes_nothing(cluster: Cluster, chance: random.Random) -> None:
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    samples = 0
    while samples < runs_of(50):
        first = [request(place) for place in places]
        time.sleep(chance.uniform(0, 6))
        sleeper = chance.choice(cluster.workers)
        # SQLite has one lock for all writers, and a stopped process keeps it: one machine sleeps as a whole
        if connection.vendor == "sqlite":
            within(lambda sleeper=sleeper: _stopped(sleeper), 30, "a moment without a write")  # type: ignore[misc]
        else:
            sleeper.signal(signal.SIGSTOP)
        slept = time.monotonic()
        await_ends(first)
        took = time.monotonic() - slept
        second = [request(place, "v1") for place in places]
        await_ends(second)
        truth = [_truth(place, deploy) for place, deploy in zip(places, first + second, strict=False)]
        time.sleep(max(0.0, ASLEEP_SECONDS - (time.monotonic() - slept)))
        sleeper.signal(signal.SIGCONT)
        time.sleep(10)
        assert [_truth(place, deploy) for place, deploy in zip(places, first + second, strict=False)] == truth
        for place, deploy in zip(places * 2, first + second, strict=True):
            check_true_end(place, deploy)
            assert deploy.status == DeployStatus.SUCCEEDED, deploy.reason
        samples += AT_ONCE
        print(f"{samples}: ended {took:.1f} s after the worker fell asleep; when it woke it changed nothing")
    print(f"R03: {samples} deploys, 0 writes of the worker that woke")


def _truth(place: FleetTarget, deploy: Deploy) -> list[object]:
    return [
        Deploy.objects.filter(pk=deploy.pk).values_list("status", "reason", "lines", "log_sha256").get(),
        list(deploy.runs.order_by("pk").values_list("status", "fence", "error", "finished_at")),
        log.digest(deploy.pk),
        [(root / ".deployer/journal").read_text() for root in place.roots()],
        [(root / "marks").read_text() for root in place.roots()],
    ]


@pytest.mark.parametrize("cancelled", [False, True], ids=["goes on", "is cancelled"])
def test_r04_an_orphan(cluster: Cluster, cancelled: bool) -> None:
    place, *_ = cluster.places(1, steps=LONG_STEPS)
    cluster.start(2)
    deploy = request(place)
    within(lambda: all((root / "marks").exists() for root in place.roots()), 40, "the step on all hosts")
    cluster.kill_all()
    if cancelled:
        lifecycle.request_cancel(deploy, by=place.by)
    cluster.start(2)
    began = time.monotonic()
    if cancelled:
        within(lambda: over(deploy), ORPHAN_SECONDS, "the end of the cancelled deploy")
        assert not processes_with(f"{place.target.root.removeprefix('~/')}/releases"), "its steps still run"
    else:
        within(lambda: not deploy.runs.filter(claimed_by=None, status="preparing").exists(), ORPHAN_SECONDS, "adoption")
    took = time.monotonic() - began
    if not cancelled:
        await_ends([deploy], 90)
    following = request(place, "v1")
    await_ends([following], 90)
    for one in (deploy, following):
        check_true_end(place, one)
    assert following.status == DeployStatus.SUCCEEDED
    print(f"R04: orphans {'ended' if cancelled else 'adopted'} {took:.1f} s after workers were there again; no overlap")
