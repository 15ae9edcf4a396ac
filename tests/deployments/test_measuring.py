"""What deploys and locks are measured by, and what a web process and a worker say of themselves."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from deployments import claims, gauges, lifecycle
from deployments.errands import Errands
from deployments.models import Deploy, Program
from environments import locks
from notifications.metrics.samples import Sample
from tests.builders import make_host, make_lock, make_user
from tests.deployments.ended import end, request
from tests.deployments.fleet import FleetTarget
from tests.measured import said
from tests.measured import samples as samples

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_a_deploy_that_ended_says_how_long_each_part_took(place: FleetTarget, samples: list[Sample]) -> None:
    deploy = request(place)
    now = timezone.now()
    Deploy.objects.filter(pk=deploy.pk).update(
        requested_at=now - timedelta(seconds=50), started_at=now - timedelta(seconds=20)
    )
    for n, run in enumerate(deploy.runs.all()):
        Program.objects.create(run=run, phase="prepare", nonce=str(n), ended_at=now - timedelta(seconds=9 - n))
    Program.objects.update(started_at=now - timedelta(seconds=19))
    end(deploy, "partial", live=2)
    where = (place.target.application.name, place.target.environment.name)
    found = said(samples)
    lines = Deploy.objects.get(pk=deploy.pk).lines
    assert found.pop(("deploy.time", *where, "partial")) == pytest.approx(20, abs=15)
    assert found == {
        ("deploys", *where, "page", "partial"): 1,
        ("log.lines", *where): lines,
        ("deploy.queue_time", *where): pytest.approx(30),
        ("deploy.hosts", *where, "live"): 2,
        ("deploy.hosts", *where, "failed"): 1,
        ("deploy.phase_time", *where, "prepare"): pytest.approx(12),
    }
    assert lines >= 2


def test_a_deploy_that_never_began_has_no_time(place: FleetTarget, samples: list[Sample]) -> None:
    request(place)
    end(request(place, wait=True), "cancelled", live=0)
    assert not [sample for sample in samples if sample.name in {"deploy.time", "deploy.queue_time"}]


def test_where_nobody_wants_metrics_nothing_is_asked(
    place: FleetTarget, samples: list[Sample], settings: Settings
) -> None:
    settings.METRICS = False
    end(request(place))
    assert samples == []


def test_a_lock_says_how_long_it_was_held(place: FleetTarget, samples: list[Sample]) -> None:
    lock = make_lock(target=place.target, by=place.by)
    type(lock).objects.update(since=timezone.now() - timedelta(hours=2))
    lock.refresh_from_db()
    locks.release(lock, by=place.by)
    environment = place.target.environment.name
    assert said(samples) == {("lock.time", environment, "released"): pytest.approx(7200, abs=60)}
    samples.clear()
    lock = make_lock(target=place.target, by=place.by)
    type(lock).objects.filter(pk=lock.pk).update(
        since=timezone.now() - timedelta(hours=3), until=timezone.now() - timedelta(hours=1)
    )
    lifecycle.look_after_locks()
    assert said(samples) == {("lock.time", environment, "expired"): pytest.approx(7200, abs=5)}


def test_the_web_process_tells_of_all_that_is_open(place: FleetTarget) -> None:
    claims.register()
    request(place)
    request(place, wait=True)
    make_lock(target=place.target, by=make_user())
    make_host(aside="drained")
    Deploy.objects.filter(status="waiting").update(requested_at=timezone.now() - timedelta(seconds=90))
    found = {(name, *labels.values()): value for name, labels, value in gauges.of_web()}
    process = next(key[1] for key in found if key[0] == "web.pages")
    assert found.pop(("web.memory", process)) > 10_000_000
    assert found.pop(("oldest_wait",)) == pytest.approx(90, abs=60)
    assert found == {
        ("web.pages", process): 0,
        ("workers", "alive"): 1,
        ("workers", "deaf"): 0,
        ("open_deploys", "waiting"): 1,
        ("open_deploys", "held"): 0,
        ("open_deploys", "active"): 1,
        ("locks", "lock"): 1,
        ("locks", "warning"): 0,
        ("hosts", "in use"): 3,
        ("hosts", "drained"): 1,
    }


def test_a_worker_tells_what_it_has_in_hand() -> None:
    pool = Errands(2)
    pool.begin((1, "prepare"), [1, 2, 3])
    found = {name: value for name, _, value in gauges.of_worker(pool)}
    assert (found["worker.busy"], found["worker.waiting"], found["worker.memory"] > 10_000_000) == (0, 3, True)
    pool.shutdown()
