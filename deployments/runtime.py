"""What a worker process has: its row, threads for hosts, the pulse that renews, and the sweep that never sleeps."""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

from deployments import claims
from deployments.errands import Errands
from deployments.models import Deploy, Worker
from deployments.overdue import Overdue
from deployments.states import DeployStatus
from environments import ssh

log = logging.getLogger(__name__)

CANCEL_LOOK_SECONDS = 0.5
# Of hundreds of threads that wait for their turn, each wakes so often just to ask for it; Python's own 5 ms cost a
# tenth of all processor time. They hardly compute, so that a turn is over long before.
TURN_SECONDS = 0.02
SWEEP_SECONDS = 3.0


class Runtime:
    """Threads and state of one worker process."""

    def __init__(self, queue: str = "", name: str = "") -> None:
        self.queue = queue
        self._name = name
        self._lock = threading.Lock()
        self._stops: dict[int, threading.Event] = {}
        self._watched: Counter[int] = Counter()
        self._held: Counter[int] = Counter()
        self._doubt = threading.Event()
        self._ended = threading.Event()
        self.leaving = threading.Event()
        self.pool = Errands(settings.WORKER_HOSTS)
        self.overdue = Overdue()
        self._batches = ThreadPoolExecutor(8, thread_name_prefix="batch")
        self._begun: set[tuple[int, str]] = set()
        self.worker: Worker = claims.register(queue, name)

    def start(self, sweep: Callable[[], None], **more: tuple[float, Callable[[], None]]) -> None:
        """Begin to renew, to look for cancels, to sweep, and `more` by name: every so many seconds."""
        sys.setswitchinterval(TURN_SECONDS)
        for name, seconds, act in (
            ("pulse", claims.RENEW_SECONDS, self._renew),
            ("cancels", CANCEL_LOOK_SECONDS, self._look_for_cancels),
            ("sweep", SWEEP_SECONDS, sweep),
            *((name, seconds, act) for name, (seconds, act) in more.items()),
        ):
            threading.Thread(target=self._every, args=(seconds, act), name=name, daemon=True).start()

    def leave(self) -> None:
        """Follow programs no longer; they go on, and others attach at once to what this worker lets go."""
        self.leaving.set()

    def end(self) -> None:
        """The last of this process."""
        self.leave()
        self._ended.set()
        for pool in (self.pool, self._batches):
            pool.shutdown(wait=False, cancel_futures=True)
        claims.retire(self.worker)

    @contextmanager
    def watching(self, deploy_id: int) -> Iterator[None]:
        """While this lasts, a cancel of the deploy sets its stop event."""
        with self._lock:
            self._watched[deploy_id] += 1
            self._stops.setdefault(deploy_id, threading.Event())
        try:
            self._look_for_cancels()
            yield
        finally:
            with self._lock:
                self._watched[deploy_id] -= 1
                if not self._watched[deploy_id]:
                    del self._watched[deploy_id], self._stops[deploy_id]

    def stop_event(self, deploy_id: int) -> threading.Event:
        with self._lock:
            return self._stops[deploy_id]

    def do_here(self, key: tuple[int, str], run_ids: Sequence[int], act: Callable[[], None]) -> None:
        """Carry out a batch in this process, without the broker; what is under way takes these host runs along."""
        if self.pool.add(key, run_ids):
            return
        with self._lock:
            if key in self._begun:
                return
            self._begun.add(key)
        self._batches.submit(self._batch, key, act)

    def _batch(self, key: tuple[int, str], act: Callable[[], None]) -> None:
        try:
            act()
        except DatabaseError as error:
            log.warning("The database did not answer (%s); the next sweep tries again.", error)
        except Exception:
            log.exception("Work %s ended in a way that nobody foresaw; the next sweep tries again.", key)
        finally:
            with self._lock:
                self._begun.discard(key)
            connection.close()

    @contextmanager
    def holding(self, run_ids: Sequence[int]) -> Iterator[None]:
        """While this lasts, claims of these host runs are this worker's to end.

        A database that goes away in it leaves behind claims that nobody here knows of: the answer to a COMMIT can be
        lost. They do not lapse, for this worker lives, so the pulse ends them when the database is back.
        """
        with self._lock:
            self._held.update(run_ids)
        away = False
        try:
            yield
        except DatabaseError:
            away = True
            raise
        finally:
            with self._lock:
                self._held.subtract(run_ids)
                self._held += Counter()  # without those at zero
            if away:  # said last: a pulse in between would still find them held
                self._doubt.set()

    def _end_forgotten_claims(self) -> None:
        self._doubt.clear()
        try:
            with self._lock:
                held = list(self._held)
            claims.let_go_but(self.worker, held)
        except DatabaseError:
            self._doubt.set()
            raise

    def _renew(self) -> None:
        if self._doubt.is_set():
            self._end_forgotten_claims()
        if not claims.renew(self.worker):
            log.warning("This worker was silent for too long and counts as dead; it begins anew.")
            self.worker = claims.register(self.queue, self._name)
        claims.bury()
        ssh.close_idle()

    def _look_for_cancels(self) -> None:
        with self._lock:
            watched = list(self._stops)
        if not watched:
            return
        for pk in Deploy.objects.filter(pk__in=watched, status=DeployStatus.CANCELLING).values_list("pk", flat=True):
            with self._lock:
                if pk in self._stops:
                    self._stops[pk].set()

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while not self._ended.wait(seconds):
            began = time.monotonic()
            self._try(act)
            if time.monotonic() - began > claims.LAPSE_SECONDS:
                log.warning("%s took %.0f s.", threading.current_thread().name, time.monotonic() - began)
        connection.close()

    @staticmethod
    def _try(act: Callable[[], None]) -> None:
        try:
            act()
        except DatabaseError as error:
            log.warning("The database did not answer (%s); trying again.", error)
            connection.close()
        except Exception:
            # this thread is what continues after every other mistake: it must not be the one that ends
            log.exception("%s went wrong; trying again.", threading.current_thread().name)
