"""Who works on what: claims lapse with the worker that holds them, and one conditional write decides who is next."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from deployments import claims
from deployments.models import Deploy, HostRun, Worker
from environments.models import Target
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request

pytestmark = pytest.mark.both_databases


def ids(deploy: Deploy) -> list[int]:
    return list(deploy.runs.values_list("pk", flat=True))


def make_old(worker: Worker, seconds: float) -> None:
    Worker.objects.filter(pk=worker.pk).update(renewed_at=claims.now() - seconds)


@pytest.fixture
def deploy(make_place: MakeFleetTarget) -> Deploy:
    return request(make_place(hosts=3))


def test_what_is_taken_is_not_free_and_has_the_next_fence(deploy: Deploy) -> None:
    worker = claims.register()
    taken = claims.take(worker, deploy, ids(deploy)[:2])
    assert [run.fence for run in taken] == [1, 1], "what is taken together"
    assert Target.objects.get(pk=deploy.target_id).fence == 1
    assert list(claims.free(deploy.runs.all())) == [deploy.runs.all()[2]]
    assert claims.take(claims.register(), deploy, ids(deploy)[:2]) == []
    assert claims.take(worker, deploy, ids(deploy)[:2]) == [], "not even by the same worker"
    assert Target.objects.get(pk=deploy.target_id).fence == 1, "who takes nothing uses up nothing"


def test_no_two_calls_give_the_same_fence(deploy: Deploy) -> None:
    """Whatever becomes of the claims: a host tells an old one from a new one by nothing else."""
    seen: list[int] = []
    for _ in range(3):
        worker = claims.register()
        for run_ids in (ids(deploy)[:1], ids(deploy)[1:]):
            fences = {run.fence for run in claims.take(worker, deploy, run_ids)}
            assert len(fences) == 1
            seen += fences
        claims.retire(worker)
    assert seen == sorted(set(seen))


def test_a_claim_lapses_with_its_worker(deploy: Deploy) -> None:
    dead, alive = claims.register(), claims.register()
    (run,) = claims.take(dead, deploy, ids(deploy)[:1])
    make_old(dead, claims.LAPSE_SECONDS - 1)
    assert claims.take(alive, deploy, [run.pk]) == []
    make_old(dead, claims.LAPSE_SECONDS + 1)
    assert set(claims.live_workers()) == {alive}
    (again,) = claims.take(alive, deploy, [run.pk])
    assert (again.pk, again.fence, again.claimed_by_id) == (run.pk, 2, alive.pk)
    assert not claims.held(run).exists(), "the dead one's claim no longer holds"


def test_who_renews_keeps_what_it_has(deploy: Deploy) -> None:
    worker = claims.register()
    (run,) = claims.take(worker, deploy, ids(deploy)[:1])
    make_old(worker, claims.LAPSE_SECONDS - 1)
    assert claims.renew(worker)
    assert claims.live_workers().filter(pk=worker.pk, renewed_at__gt=claims.now() - 1).exists()
    assert claims.held(run).exists()


def test_after_a_restart_of_the_machine_all_claims_have_lapsed(deploy: Deploy) -> None:
    """A monotonic clock begins anew: what was renewed "later than now" is no sign of life."""
    worker = claims.register()
    (run,) = claims.take(worker, deploy, ids(deploy)[:1])
    Worker.objects.filter(pk=worker.pk).update(boot="another", renewed_at=claims.now() + 10_000)
    assert claims.free(HostRun.objects.filter(pk=run.pk)).exists()
    assert not claims.live_workers().exists()


def test_who_retires_or_is_buried_leaves_all_free(deploy: Deploy) -> None:
    first, second = claims.register(), claims.register()
    claims.take(first, deploy, ids(deploy)[:1])
    claims.take(second, deploy, ids(deploy)[1:])
    claims.retire(first)
    make_old(second, 20 * claims.LAPSE_SECONDS)
    claims.bury()
    assert not Worker.objects.exists()
    assert claims.free(deploy.runs.all()).count() == 3
    assert not claims.renew(first)


def test_only_the_holder_lets_go(deploy: Deploy) -> None:
    dead, alive = claims.register(), claims.register()
    (old,) = claims.take(dead, deploy, ids(deploy)[:1])
    make_old(dead, 100)
    (new,) = claims.take(alive, deploy, ids(deploy)[:1])
    claims.let_go([old])
    assert claims.held(new).exists()
    claims.let_go([new])
    assert claims.free(deploy.runs.all()).count() == 3


def test_a_host_run_that_is_over_cannot_be_taken(deploy: Deploy) -> None:
    HostRun.objects.filter(deploy=deploy).update(status="live")
    assert claims.take(claims.register(), deploy, ids(deploy)) == []


def test_what_changed_after_it_was_offered_is_left_out(deploy: Deploy) -> None:
    """Not every writer holds the target's row: the conditional write has the last word."""
    first, second, third = ids(deploy)
    HostRun.objects.filter(pk=first).update(status="failed")
    HostRun.objects.filter(pk=second).update(claimed_by=claims.register())
    taken = claims.take(claims.register(), deploy, [first, second, third])
    assert [run.pk for run in taken] == [third]


def test_many_are_taken_and_let_go_with_few_statements(
    make_place: MakeFleetTarget, django_assert_max_num_queries: Any
) -> None:
    deploy = request(make_place(hosts=12))
    worker, run_ids = claims.register(), ids(deploy)
    with django_assert_max_num_queries(10):  # two of them begin and end the transaction
        taken = claims.take(worker, deploy, run_ids)
    assert len(taken) == 12
    with django_assert_max_num_queries(1):
        claims.let_go(taken)
    assert claims.free(deploy.runs.all()).count() == 12


def test_a_run_of_another_deploy_cannot_be_taken(deploy: Deploy, make_place: MakeFleetTarget) -> None:
    other = request(make_place(hosts=1))
    assert claims.take(claims.register(), deploy, ids(other)) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_that_take_at_once_one_gets_each(make_place: MakeFleetTarget) -> None:
    deploy = request(make_place(hosts=12))
    workers = [claims.register() for _ in range(4)]
    together = threading.Barrier(4)

    def take(worker: Worker) -> list[tuple[int, int]]:
        try:
            together.wait(60)
            return [(run.pk, run.fence) for run in claims.take(worker, deploy, ids(deploy))]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = [pair for pairs in pool.map(take, workers) for pair in pairs]
    assert sorted(pk for pk, _ in taken) == ids(deploy)
    assert {fence for _, fence in taken} == {Target.objects.get(pk=deploy.target_id).fence}


def test_a_worker_whose_row_was_buried_takes_nothing(deploy: Deploy) -> None:
    """It slept for long and has not renewed yet: that is no error, and no claim."""
    worker = claims.register()
    Worker.objects.filter(pk=worker.pk).delete()
    assert claims.take(worker, deploy, ids(deploy)) == []
    assert Target.objects.get(pk=deploy.target_id).fence == 0
