"""R31: a cancel at any moment, asked for twice, also on a host that hangs: final within 30 s, and true per host."""

import os
import random
import time
from collections.abc import Callable

import pytest

from deployments import lifecycle
from deployments.models import Deploy
from deployments.states import RunStatus
from environments.models import Host
from tests.chaos.cluster import Cluster, await_ends, over, runs_of, warm_up
from tests.chaos.faulty_link import FaultyLink
from tests.chaos.truth import check_true_end
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget
from tests.patience import within

AT_ONCE = 5
CANCEL_SECONDS = 30.0

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r31_a_cancel_at_any_moment(cluster: Cluster, chance: random.Random) -> None:
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    samples, longest, ends = 0, 0.0, dict[str, int]()
    while samples < runs_of(300):
        deploys = [request(place, chance.choice(["main", "v1"])) for place in places]
        victim = chance.choice(cluster.workers) if chance.random() < 0.2 else None
        asked = time.monotonic()
        for deploy in deploys:
            time.sleep(chance.uniform(0, 1.2))
            asked = time.monotonic()
            for _ in range(2):
                _cancel(deploy, places[deploys.index(deploy)])
        if victim is not None:
            cluster.kill(victim)
        await_ends(deploys, CANCEL_SECONDS)
        longest = max(longest, time.monotonic() - asked)
        for place, deploy in zip(places, deploys, strict=True):
            check_true_end(place, deploy)
            _check_words(place, deploy)
            ends[deploy.status] = ends.get(deploy.status, 0) + 1
        samples += AT_ONCE
        print(f"{samples}: {ends}, the longest took {longest:.1f} s")
        if victim is not None:
            cluster.start(1)
    print(f"R31: {samples} cancels at random moments, each final within {longest:.1f} s and true: {ends}")


def _cancel(deploy: Deploy, place: FleetTarget) -> None:
    try:
        lifecycle.request_cancel(Deploy.objects.get(pk=deploy.pk), by=place.by)
    except lifecycle.NothingToCancel:
        return


def _check_words(place: FleetTarget, deploy: Deploy) -> None:
    """What is said of each host's `current` is so."""
    assert deploy.release is not None
    for run in deploy.runs.all():
        root = place.root(run.host_name)
        serves = os.readlink(root / "current") == f"releases/{deploy.release.name}"
        if run.status == RunStatus.CANCELLED and "It had not begun" not in run.error:
            assert ("The new release" in run.error) == serves, f"{run}: {run.error}"


def test_r31_on_a_host_that_hangs(
    cluster: Cluster, chance: random.Random, link_to: Callable[[str, int], FaultyLink]
) -> None:
    (place,) = cluster.places(1)
    hung = next(iter(place.homes))
    host = Host.objects.get(name=hung)
    link = link_to(host.address, host.port)
    Host.objects.filter(pk=host.pk).update(port=link.port)
    cluster.start(2)
    warm_up([place])
    longest = 0.0
    for round_ in range(max(1, runs_of(30) // 5)):
        deploy = request(place)
        time.sleep(chance.uniform(0, 5))
        link.hold()
        asked = time.monotonic()
        _cancel(deploy, place)
        _cancel(deploy, place)
        within(lambda deploy=deploy: over(deploy), CANCEL_SECONDS, "the end")  # type: ignore[misc]
        longest = max(longest, time.monotonic() - asked)
        print(round_, deploy.status, [(run.status, run.error) for run in deploy.runs.all() if run.host_name == hung])
        link.reset()
        link.release()
        again = request(place, "v1")
        await_ends([again], 120)
        assert again.status == "succeeded", [run.error for run in again.runs.all()]
    print(f"R31: on a host that hangs each cancel was final within {longest:.1f} s")
