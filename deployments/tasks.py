"""Doors for messages: an id in, one call out."""

import logging

from celery import shared_task
from celery.exceptions import WorkerTerminate
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.db import DatabaseError

from deployments import claims, doorbell, drift, engine, plan
from deployments.models import Deploy
from deployments.runtime import Runtime
from deployments.states import ACTIVE, DeployStatus

log = logging.getLogger(__name__)

EXIT_WITHOUT_DATABASE = 1

_runtime: Runtime | None = None


@shared_task
def advance(deploy_id: int) -> None:
    engine.advance(deploy_id, offer=_publish)


@shared_task
def run_batch(deploy_id: int, work: str, run_ids: list[int]) -> None:
    runtime = current_runtime()
    engine.run_batch(deploy_id, work, run_ids, worker=runtime.worker, runtime=runtime)


def current_runtime() -> Runtime:
    """This worker process's own; begun at the first need, as in tests that run tasks themselves."""
    global _runtime  # noqa: PLW0603 - one per process, begun at the first need
    if _runtime is None:
        _runtime = Runtime()
    return _runtime


@worker_ready.connect
def begin(**_: object) -> None:
    try:
        current_runtime().start(sweep, drift=(drift.LOOK_SECONDS, drift.look_around))
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
    open_deploys = Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).order_by("pk")
    for deploy_id in list(open_deploys.values_list("pk", flat=True)):
        try:
            engine.advance(deploy_id, offer=_do_here)
        except DatabaseError:
            raise
        except Exception:
            log.exception("Deploy %s could not be advanced; the others go on.", deploy_id)


def _publish(deploy_id: int, do: plan.Do) -> None:
    """Share the work among the live workers; what the broker does not take is done by a sweep."""
    for run_ids in engine.split(do, claims.live_workers().count()):
        doorbell.publish(doorbell.RUN_BATCH, [deploy_id, do.work, run_ids])


def _do_here(deploy_id: int, do: plan.Do) -> None:
    runtime = current_runtime()
    runtime.do_here((deploy_id, do.work), lambda: run_batch(deploy_id, do.work, list(do.runs)))
