"""Does a worker hear what is rung? It rings itself; one that lives and hears nothing is told, and ends itself.

Nothing is lost with it: a sweep does what nobody hears of, only later. Whoever keeps the worker starts it anew, and
others adopt what it has in hand.
"""

import logging
import os
import time
from collections.abc import Callable

from celery.worker import state
from django.conf import settings

from deployments import claims, doorbell
from deployments.models import Worker
from deployments.runtime import Runtime
from notifications import events

log = logging.getLogger(__name__)

RING_SECONDS = 10.0
# As long as the broker takes rings that nobody hears; while it takes none, a new start would help nobody.
END_SECONDS = 70.0
LEAVE_SECONDS = 3.0
EXIT_DEAF = 1


def is_full() -> bool:
    """It has as much in hand as it may have, and takes nothing from the broker until something is done."""
    return len(state.reserved_requests) >= settings.WORKER_THREADS


def end_process(runtime: Runtime) -> None:
    """Let go of what can be let go of, and die: what does not hear may not hear a polite signal either."""
    runtime.leave()
    time.sleep(LEAVE_SECONDS)
    runtime.end()
    os._exit(EXIT_DEAF)


class Hearing:
    """What one worker knows of its own hearing."""

    def __init__(
        self, runtime: Runtime, *, full: Callable[[], bool] = is_full, end: Callable[[Runtime], None] = end_process
    ) -> None:
        self._runtime, self._full, self._end = runtime, full, end
        self._unheard_since: float | None = None
        self._told = False

    def look(self) -> None:
        """Called every RING_SECONDS."""
        worker = self._runtime.worker
        now = claims.now()
        if self._full():
            claims.hear(worker.pk)
        heard_at = Worker.objects.filter(pk=worker.pk).values_list("heard_at", flat=True).first()
        if heard_at is None:
            return  # its pulse makes a new row
        self._tell(worker, now - heard_at)
        if not doorbell.publish(doorbell.HEAR, [worker.pk], to=worker.inbox):
            self._unheard_since = None
            return
        if self._unheard_since is None or heard_at >= self._unheard_since:
            self._unheard_since = now
        elif now - self._unheard_since >= END_SECONDS:
            log.error("This worker hears nothing, though the broker takes what is rung; it ends, to be started anew.")
            self._end(self._runtime)

    def _tell(self, worker: Worker, seconds: float) -> None:
        deaf = seconds > claims.DEAF_SECONDS
        if deaf != self._told:
            self._told = deaf
            events.record("worker.deaf" if deaf else "worker.hears", worker=worker.name, seconds=round(seconds))
            if deaf:
                log.warning("This worker has heard nothing from the broker for %.0f s; sweeps go on.", seconds)
