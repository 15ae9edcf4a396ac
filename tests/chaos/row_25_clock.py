"""R25: a worker's clock is wrong by an hour, and jumps while it works: no claim comes early or late."""

import random
import time
from pathlib import Path

import pytest

from deployments import claims
from deployments.models import Deploy, HostRun
from tests.chaos.cluster import Cluster, await_ends, runs_of
from tests.chaos.jumping_clock import JumpingClock
from tests.chaos.truth import check_true_end
from tests.deployments.ended import request
from tests.patience import within

JUMPS = (-3600, 3600, 600, -600, 0)

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r25_a_clock_that_jumps(cluster: Cluster, chance: random.Random, tmp_path: Path) -> None:
    clock = JumpingClock(tmp_path)
    places = cluster.places(3)
    cluster.start(1)
    (wrong,) = cluster.start(1, **clock.environment)
    row = wrong.row()
    assert row is not None
    deploys: list[Deploy] = []
    taken_early = 0
    for _ in range(runs_of(10)):
        clock.jump(chance.choice(JUMPS))
        new = [request(place) for place in places]
        for _ in range(3):
            clock.jump(chance.choice(JUMPS))
            taken_early += not claims.live_workers().filter(pk=row.pk).exists()
            time.sleep(chance.uniform(1, 3))
        await_ends(new)
        for place, deploy in zip(places, new, strict=True):
            check_true_end(place, deploy)
            assert (deploy.status, [run.error for run in deploy.runs.exclude(error="")]) == ("succeeded", [])
        deploys += new
    assert taken_early == 0, "a worker whose clock jumped counted as dead"
    for place in places:
        own = [deploy.number for deploy in Deploy.objects.filter(target=place.target).order_by("id")]
        assert own == sorted(own), "order is by number, not by time"
    clock.jump(3600)
    last = [request(place) for place in places]
    within(lambda: HostRun.objects.filter(claimed_by=row.pk).exists(), 30, "work of the worker with the wrong clock")
    cluster.kill(wrong)
    killed = time.monotonic()
    within(lambda: not HostRun.objects.filter(claimed_by=row.pk).exists(), 30, "the adoption")
    took = time.monotonic() - killed
    await_ends(last)
    assert 4 < took < 15, f"{took:.1f} s: it lapses after 8 s without a renewal, whatever its clock said"
    print(f"R25: {len(deploys)} deploys while a clock jumped by up to 1 h: 0 claims early; adopted after {took:.1f} s")
