"""R01, R02: a worker is killed at a random moment; another goes on, and each step runs once.

Several deploys run at each kill, in different phases, so that one kill is several samples.
"""

import random
import time

import pytest

from deployments.models import Deploy, HostRun, Worker
from deployments.states import RUN_OPEN, DeployStatus
from tests.chaos.cluster import Cluster, await_ends, runs_of, warm_up
from tests.chaos.truth import check_true_end, executions_once
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget
from tests.patience import within

AT_ONCE = 5
ADOPTED_SECONDS = 15.0
LONGEST = 6.0  # a deploy of the counted steps takes about this long

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r01_r02_killed_workers(cluster: Cluster, chance: random.Random) -> None:
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    samples, adopted, ended = 0, [0.0], [0.0]
    while samples < runs_of(200):
        deploys = _begin(places, chance)
        victim = chance.choice(cluster.workers)
        row = victim.row()
        assert row is not None
        cluster.kill(victim)
        killed = time.monotonic()
        hit = _await_adoption(row)
        adopted.append(time.monotonic() - killed)
        await_ends(deploys)
        ended.append(time.monotonic() - killed)
        for place, deploy in zip(places, deploys, strict=True):
            _check(place, deploy)
        samples += len(deploys)
        print(f"{samples}: {hit} were the killed worker's; adopted {adopted[-1]:.1f} s, end {ended[-1]:.1f} s")
        cluster.start(1)
    print(f"R01 R02: {samples} deploys, 0 wrong, no step twice; adopted {max(adopted):.1f} s, end {max(ended):.1f} s")


def _begin(places: list[FleetTarget], chance: random.Random) -> list[Deploy]:
    deploys = []
    for place in places:
        deploys.append(request(place))
        time.sleep(chance.uniform(0, 0.8))
    time.sleep(chance.uniform(0, LONGEST))
    return deploys


def _await_adoption(row: Worker) -> int:
    """How many deploys the killed worker had its hands on."""
    left = HostRun.objects.filter(claimed_by=row, status__in=RUN_OPEN)
    hit = left.values("deploy").distinct().count()
    within(lambda: not left.exists(), ADOPTED_SECONDS, "the adoption")
    return hit


def _check(place: FleetTarget, deploy: Deploy) -> None:
    check_true_end(place, deploy)
    errors = [run.error for run in deploy.runs.all() if run.error]
    assert (deploy.status, errors) == (DeployStatus.SUCCEEDED, [])
    assert executions_once(place, deploy) == 1
