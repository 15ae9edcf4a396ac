"""A worker's part: claim the host runs that it was offered, piece by piece as it has room, and do one phase on them."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection

from deployments import claims, doorbell, phases, sharing
from deployments.claims import ClaimLost
from deployments.errands import Errand
from deployments.models import Deploy
from deployments.recorder import Recorder
from deployments.runtime import Runtime
from deployments.states import ACTIVE, RunStatus

log = logging.getLogger(__name__)
R = RunStatus

PIECE = 128
PIECES_MOST = 128  # at once; many only when hosts hang in each of them
_FITTING: dict[str, tuple[str, ...]] = {
    "task": (R.PENDING, R.PREPARING),
    "prepare": (R.PENDING, R.PREPARING),
    "once": (R.PREPARED,),
    "switch": (R.PREPARED,),
    "finish": (R.SWITCHED,),
    "stop": (R.PREPARING, R.PREPARED, R.SWITCHED),
}


def run_batch(deploy_id: int, work: str, run_ids: Sequence[int], *, runtime: Runtime) -> None:
    """Carry out one phase on those of the host runs that are of this worker's queue and free, let go, and ring.

    While this worker is at the same work already, they are added to it.
    """
    deploy = load(deploy_id)
    if deploy is None or deploy.status not in ACTIVE:
        return
    own = sharing.by_queue(run_ids).get(runtime.queue, {})
    errand = runtime.pool.begin((deploy_id, work), [pk for pk in run_ids if pk in own])
    if errand is None:
        return
    try:
        with runtime.watching(deploy.pk), _recorder(deploy) as recorder:
            _run_errand(deploy, work, errand, recorder, runtime)
    finally:
        runtime.pool.end(errand)
    if errand.taken:
        doorbell.ring(deploy.pk)


def _run_errand(deploy: Deploy, work: str, errand: Errand, recorder: Recorder, runtime: Runtime) -> None:
    """Until nothing is left of it. A database that is away ends it; the sweep goes on with what is left."""
    stop = runtime.stop_event(deploy.pk)
    size = len(errand.todo) if work == "switch" else PIECE  # one process arms a whole wave
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(PIECES_MOST, thread_name_prefix="piece") as threads:
        while piece := runtime.pool.next_piece(errand, max(1, size)):
            if runtime.leaving.is_set() or (stop.is_set() and work != "stop"):
                errand.todo.clear()
                runtime.pool.end_piece(errand)
                continue
            futures.append(threads.submit(_run_piece, deploy, work, piece, errand, recorder, runtime))
    for future in futures:
        future.result()


def _run_piece(
    deploy: Deploy, work: str, run_ids: Sequence[int], errand: Errand, recorder: Recorder, runtime: Runtime
) -> None:
    try:
        with runtime.pool.reserve(len(run_ids)) as places, runtime.holding(run_ids):
            taken = claims.take(runtime.worker, deploy, run_ids)
            errand.taken += len(taken)
            fitting = [run for run in taken if run.status in _FITTING[work]]
            places.left = len(fitting)
            try:
                if fitting and (work != "switch" or len(fitting) == len(run_ids)):
                    phases.carry_out(work, deploy, fitting, recorder, runtime)
                    recorder.drain()
            finally:
                claims.let_go(taken)
    except ClaimLost as lost:
        # what another worker has taken while this one slept is the other's to tell of
        errand.todo.clear()
        log.info("%s", lost)
    except BaseException:
        errand.todo.clear()
        raise
    finally:
        connection.close()
        runtime.pool.end_piece(errand)


@contextmanager
def _recorder(deploy: Deploy) -> Iterator[Recorder]:
    recorder = Recorder(deploy.pk)
    try:
        yield recorder
    finally:
        recorder.close()


def load(deploy_id: int) -> Deploy | None:
    """The deploy with what its work needs."""
    related = Deploy.objects.select_related("target__application", "target__environment", "release", "by", "of")
    return related.filter(pk=deploy_id).first()
