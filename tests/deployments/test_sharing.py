"""Which worker gets which hosts: equal shares, and the same hosts to the same worker each time."""

import pytest
from pytest_django import Settings

from deployments import batches, claims, doorbell, overdue, sharing, tasks, unserved
from deployments.models import Deploy, HostRun, Worker
from deployments.plan import Do
from deployments.runtime import Runtime
from environments.models import Region
from tests.builders import make_deploy, make_run
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request

WORKERS = [f"worker-{n}@deployer" for n in range(1, 5)]


def hosts(count: int) -> dict[int, str]:
    return {1000 + n: f"host-{n:05}" for n in range(count)}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 13, 1000])
def test_shares_are_equal_and_nobody_is_left_out(count: int) -> None:
    shares = sharing.share(hosts(count), WORKERS)
    assert sorted(pk for ids in shares.values() for pk in ids) == sorted(hosts(count))
    assert max(map(len, shares.values())) == -(-count // 4)


def test_the_next_deploy_shares_in_the_same_way() -> None:
    """Its host runs are other rows, and the workers may be listed in another order."""
    first = sharing.share(hosts(100), WORKERS)
    later = sharing.share({pk + 5000: name for pk, name in hosts(100).items()}, WORKERS[::-1])
    assert {worker: [pk + 5000 for pk in ids] for worker, ids in first.items()} == later


def test_when_a_worker_goes_few_other_hosts_move() -> None:
    before = {pk: worker for worker, ids in sharing.share(hosts(900), WORKERS).items() for pk in ids}
    after = {pk: worker for worker, ids in sharing.share(hosts(900), WORKERS[:3]).items() for pk in ids}
    stayed = [pk for pk, worker in before.items() if worker in WORKERS[:3]]
    moved = [pk for pk in stayed if before[pk] != after[pk]]
    assert len(moved) < len(stayed) / 4


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """What was published: the worker, the work, how many host runs."""
    messages: list[tuple[str, str, int]] = []

    def publish(task: str, args: list[object], *, to: str = "") -> bool:
        _, work, ids = args
        assert isinstance(ids, list)
        messages.append((to, str(work), len(ids)))
        return True

    monkeypatch.setattr(doorbell, "publish", publish)
    return messages


@pytest.fixture
def here(db: None, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """This process, as a worker of the empty queue."""
    runtime = Runtime("", "worker-1@here")
    monkeypatch.setattr(tasks, "_runtime", runtime)
    return runtime.worker


def make_regional(deploy: Deploy, queue: str) -> None:
    Region.objects.filter(name=deploy.runs.first().region).update(queue=queue)  # type: ignore[union-attr]


def texts(deploy: Deploy) -> list[str]:
    return list(deploy.chunks.values_list("text", flat=True))


@pytest.mark.both_databases
def test_each_worker_gets_its_share_by_its_own_queue(
    place_of_twelve: Deploy, here: Worker, sent: list[tuple[str, str, int]], settings: Settings
) -> None:
    settings.WORKER_HOSTS = 8
    claims.register("", "worker-2@here")
    run_ids = tuple(place_of_twelve.runs.values_list("pk", flat=True))
    tasks._publish(place_of_twelve.pk, Do("prepare", run_ids))
    assert sorted(sent) == [("worker-1@here", "prepare", 6), ("worker-2@here", "prepare", 6)]
    sent.clear()
    tasks._publish(place_of_twelve.pk, Do("switch", run_ids))
    assert [(work, count) for _, work, count in sent] == [("switch", 12)], "one process arms a wave"
    sent.clear()
    settings.WORKER_HOSTS = 12
    tasks._publish(place_of_twelve.pk, Do("prepare", run_ids))
    assert [(work, count) for _, work, count in sent] == [("prepare", 12)], "as many as one worker takes"


@pytest.fixture
def place_of_twelve(make_place: MakeFleetTarget) -> Deploy:
    return request(make_place(hosts=12))


@pytest.mark.both_databases
def test_a_region_with_a_queue_waits_for_its_own_worker_and_says_so_once(
    place_of_twelve: Deploy, here: Worker, sent: list[tuple[str, str, int]]
) -> None:
    deploy = place_of_twelve
    make_regional(deploy, "eu-west")
    do = Do("prepare", tuple(deploy.runs.values_list("pk", flat=True)))
    for _ in range(2):
        tasks._publish(deploy.pk, do)
    assert sent == []
    assert texts(deploy).count(unserved.sentence("eu-west")) == 1
    assert unserved.sentences(deploy) == [unserved.sentence("eu-west")]
    claims.register("eu-west", "worker-1@there")
    tasks._publish(deploy.pk, do)
    assert sent == [("worker-1@there", "prepare", 12)]
    assert unserved.sentences(deploy) == []


@pytest.mark.both_databases
def test_a_sweep_and_a_stray_message_leave_other_queues_alone(
    place_of_twelve: Deploy, here: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy = place_of_twelve
    make_regional(deploy, "eu-west")
    run_ids = list(deploy.runs.values_list("pk", flat=True))
    begun: list[list[int]] = []
    runtime = tasks.current_runtime()
    monkeypatch.setattr(runtime, "do_here", lambda key, ids, act: begun.append(ids))
    tasks._do_here(deploy.pk, Do("prepare", tuple(run_ids)))
    assert begun == []
    batches.run_batch(deploy.pk, "prepare", run_ids, runtime=runtime)
    assert not HostRun.objects.filter(deploy=deploy).exclude(claimed_by=None).exists()


def test_the_sweep_begins_with_its_own_share(
    place_of_twelve: Deploy, here: Worker, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    claims.register("", "worker-2@here")
    settings.WORKER_HOSTS = 8
    monkeypatch.setattr(overdue, "PATIENCE_SECONDS", 0.0)
    run_ids = tuple(place_of_twelve.runs.values_list("pk", flat=True))
    begun: list[list[int]] = []
    monkeypatch.setattr(tasks.current_runtime(), "do_here", lambda key, ids, act: begun.append(ids))
    tasks._do_here(place_of_twelve.pk, Do("prepare", run_ids))
    shares = sharing.share(sharing.by_queue(run_ids)[""], ["worker-1@here", "worker-2@here"])
    (ids,) = begun
    assert ids[:6] == shares["worker-1@here"]
    assert set(ids[6:]) == set(shares["worker-2@here"]), "others' hosts last: they may be dead"


def test_only_hosts_without_a_queue_go_to_any_worker(db: None) -> None:
    deploy = make_deploy()
    run = make_run(deploy=deploy)
    HostRun.objects.filter(pk=run.pk).update(region="nowhere")
    assert sharing.by_queue([run.pk]) == {"": {run.pk: run.host_name}}
    assert sharing.by_queue([]) == {}
