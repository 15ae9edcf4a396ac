"""Doors for messages: an id in, one call out."""

import logging
from typing import Any

from celery import shared_task
from celery.exceptions import WorkerTerminate
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError

from deployments import (
    batches,
    claims,
    distances,
    doorbell,
    drift,
    engine,
    gauges,
    lifecycle,
    observations,
    plan,
    sharing,
    silent_hosts,
    unserved,
)
from deployments.hearing import RING_SECONDS, Hearing
from deployments.hooks import working
from deployments.models import Deploy
from deployments.runtime import Runtime
from deployments.states import ACTIVE, DeployStatus
from environments import signing
from environments.models import Target
from environments.sources import refreshing
from notifications import courier, metrics

log = logging.getLogger(__name__)

ENDPOINTS_SECONDS = 15.0
FORGET_SECONDS = 600.0
LOCKS_SECONDS = 3.0  # a lock ends by the clock; this is how soon it is told
EXIT_WITHOUT_DATABASE = 1

_runtime: Runtime | None = None


@shared_task
def advance(deploy_id: int) -> None:
    engine.advance(deploy_id, offer=_publish)


@shared_task
def run_batch(deploy_id: int, work: str, run_ids: list[int]) -> None:
    batches.run_batch(deploy_id, work, run_ids, runtime=current_runtime())


@shared_task
def hear(worker_id: int) -> None:
    claims.hear(worker_id)


@shared_task
def work_hook(delivery_id: int) -> None:
    working.work(delivery_id)


def current_runtime(name: str = "") -> Runtime:
    """This worker process's own; begun at the first need, as in tests that run tasks themselves."""
    global _runtime  # noqa: PLW0603 - one per process, begun at the first need
    if _runtime is None:
        _runtime = Runtime(settings.WORKER_QUEUE, name)
    return _runtime


@worker_ready.connect
def begin(sender: Any, **_: object) -> None:
    # messages about hosts come to this worker alone, so that its warm connections are used again; by itself Celery
    # would after a reconnect also read the queues that it has only written to
    sender.app.amqp.queues.select([settings.CELERY_TASK_DEFAULT_QUEUE])
    sender.add_task_queue(doorbell.inbox_queue(sender.hostname))
    try:
        runtime = current_runtime(sender.hostname)
        hearing = (RING_SECONDS, Hearing(runtime).look)
        distances_look = (distances.LOOK_SECONDS, distances.Distances().look)
        locks = (LOCKS_SECONDS, lifecycle.look_after_locks)
        sources = (refreshing.LOOK_SECONDS, refreshing.refresh_due)
        ends = (ENDPOINTS_SECONDS, lifecycle.look_after_endpoints)
        looks = {"hearing": hearing, "distances": distances_look, "locks": locks, "sources": sources, "endpoints": ends}
        looks["signing"] = (signing.LOOK_SECONDS, signing.renew_due)
        looks["observations"] = (observations.LOOK_SECONDS, observations.look_around)
        looks["hooks"] = (working.LOOK_SECONDS, working.look)
        looks["forgetting"] = (FORGET_SECONDS, working.prune)
        metrics.begin(lambda: gauges.of_worker(runtime.pool))
        looks["deliveries"] = (courier.LOOK_SECONDS, courier.look)
        runtime.start(sweep, drift=(drift.LOOK_SECONDS, _look_around), **looks)
    except DatabaseError as error:
        # a worker without a pulse holds no claim: better none, so that whoever keeps it starts it anew
        raise WorkerTerminate(EXIT_WITHOUT_DATABASE) from error


@worker_shutting_down.connect
def leave(**_: object) -> None:
    if _runtime is not None:
        _runtime.leave()


@worker_shutdown.connect
def finish(**_: object) -> None:
    if _runtime is not None:
        _runtime.end()


def sweep() -> None:
    """Continue what nobody rings for, straight on the database: the broker may be the very thing that is down."""
    current_runtime().overdue.begin_sweep()
    open_deploys = Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).order_by("pk")
    for deploy_id, status in list(open_deploys.values_list("pk", "status")):
        if status == DeployStatus.RUNNING and current_runtime().pool.has_backlog(deploy_id):
            continue  # this worker has more to do for it than it has room for, so it need not look for more
        try:
            engine.advance(deploy_id, offer=_do_here)
        except DatabaseError:
            raise
        except Exception:
            log.exception("Deploy %s could not be advanced; the others go on.", deploy_id)


def _publish(deploy_id: int, do: plan.Do) -> None:
    """Share the work among the live workers of each queue; what the broker does not take is done by a sweep."""
    for queue, hosts in sharing.by_queue(do.runs).items():
        inboxes = _inboxes(queue)
        if not inboxes:
            unserved.tell(deploy_id, queue)
            continue
        for inbox, run_ids in _shares(deploy_id, do.work, hosts, inboxes).items():
            doorbell.publish(doorbell.RUN_BATCH, [deploy_id, do.work, run_ids], to=inbox)


def _shares(deploy_id: int, work: str, hosts: sharing.Hosts, inboxes: list[str]) -> dict[str, list[int]]:
    """Who is to do what: the same worker for all deploys of a target, for it keeps connections to all its hosts.

    One worker must connect to all of them for the switch: it may as well do the rest, over one connection each. Only
    more than it can serve at once are shared.
    """
    if work == "switch" or len(hosts) <= settings.WORKER_HOSTS:
        target_id = Deploy.objects.values_list("target", flat=True).get(pk=deploy_id)
        return {sharing.switcher(target_id, inboxes): list(hosts)}
    return sharing.share(hosts, inboxes)


def _look_around() -> None:
    """Each worker looks at the targets that it switches: it has their hosts' connections open."""
    runtime = current_runtime()
    inboxes = _inboxes(runtime.queue)

    def mine(target: Target) -> bool:
        return sharing.switcher(target.pk, inboxes) == runtime.worker.inbox

    drift.look_around(mine)
    silent_hosts.look_again(mine)


def _inboxes(queue: str) -> list[str]:
    """Of the live workers of a queue; this one lives, whatever its row says."""
    names = {worker.inbox for worker in claims.live_workers().filter(queue=queue)}
    runtime = current_runtime()
    return sorted(names | {runtime.worker.inbox} if queue == runtime.queue else names)


def _do_here(deploy_id: int, do: plan.Do) -> None:
    """What a sweep finds undone: first what is this worker's own share, then, from the end of their lists, that of
    others who have not begun in time."""
    runtime = current_runtime()
    hosts = sharing.by_queue(do.runs).get(runtime.queue, {})
    if not hosts:
        return
    own = _shares(deploy_id, do.work, hosts, _inboxes(runtime.queue)).get(runtime.worker.inbox, [])
    first = set(own)
    of_others = [pk for pk in reversed(hosts) if pk not in first]
    late = runtime.overdue.of((deploy_id, do.work), of_others)
    if do.work == "switch" and len(late) < len(of_others):
        late = []  # a wave switches as a whole
    if run_ids := own + late:
        runtime.do_here((deploy_id, do.work), run_ids, lambda: run_batch(deploy_id, do.work, run_ids))
