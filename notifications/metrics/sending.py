"""Taking metrics in at once, and sending them from a thread. What cannot be sent as fast as it comes is left out."""

import atexit
import logging
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from notifications.metrics import totals
from notifications.metrics.names import Kind, check
from notifications.metrics.samples import Sample
from notifications.metrics.statsd_server import StatsdServer

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
GATHER_SECONDS = 0.2
GAUGE_SECONDS = 10.0
QUIET_SECONDS = 5.0  # how long a place that does not answer is left alone
LAST_SECONDS = 0.5  # how long the end of a process waits for its last metrics

# Who asks a gauge: by its name, values of its labels, and how many there are now.
Gauges = Callable[[], Iterable[tuple[str, Mapping[str, object], float]]]


def count(name: str, by: int = 1, /, **labels: object) -> None:
    """So many more. In a transaction: once it is committed."""
    _take(name, Kind.COUNTER, labels, by)


def timing(name: str, seconds: float, /, **labels: object) -> None:
    """Something took so long. In a transaction: once it is committed."""
    _take(name, Kind.TIMER, labels, max(0.0, seconds))


def begin(gauges: Gauges) -> None:
    """Say these gauges from now on, as long as this process lives."""
    if wanted():
        _sender.watch(gauges)


def process_name() -> str:
    """This process among all of an installation."""
    return f"{platform.node().partition('.')[0]}-{os.getpid()}"


def wanted() -> bool:
    """Whether anybody wants metrics."""
    return bool(settings.STATSD or settings.METRICS)


def _take(name: str, kind: Kind, labels: Mapping[str, object], value: float) -> None:
    sample = Sample(name, kind, check(name, kind, labels), value)
    if wanted():
        transaction.on_commit(lambda: _sender.take(sample))


class Sender:
    """The queue of this process, and its thread. A process that was copied begins a thread of its own."""

    def __init__(self) -> None:
        self._asked: list[Gauges] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        """In a copy of the process: its locks may be held by threads that are not in it; what waits is not its own."""
        self._waiting: deque[Sample] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ends = False
        self._thread: threading.Thread | None = None
        self._lost = 0
        if self._asked:
            self._start()

    def take(self, sample: Sample) -> None:
        """Returns at once."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._lost += 1
                return
            self._waiting.append(sample)
        self._start()
        self._wake.set()

    def watch(self, gauges: Gauges) -> None:
        self._asked.append(gauges)
        self._start()
        self._wake.set()

    def end(self) -> None:
        """At the end of a process: its last ones go out, if they can be sent soon."""
        self._ends = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        ways = list(_ways())
        asked = 0.0
        while not self._ends or self._waiting:
            self._wake.wait(GAUGE_SECONDS if self._asked else None)
            self._wake.clear()
            samples = self._next()
            if self._asked and time.monotonic() - asked >= GAUGE_SECONDS:
                asked = time.monotonic()
                samples += self._ask()
            for way in ways:
                way.send(samples)
            if not self._ends:
                time.sleep(GATHER_SECONDS)
        for way in ways:
            way.close()

    def _next(self) -> list[Sample]:
        with self._lock:
            samples, lost = list(self._waiting), self._lost
            self._waiting.clear()
            self._lost = 0
        return [*samples, Sample("metrics.lost", Kind.COUNTER, (), lost)] if lost else samples

    def _ask(self) -> list[Sample]:
        samples = []
        for gauges in self._asked:
            try:
                samples += [
                    Sample(name, Kind.GAUGE, check(name, Kind.GAUGE, labels), value) for name, labels, value in gauges()
                ]
            except DatabaseError as error:
                log.debug("Gauges of this process cannot be read now: %s", error)
            finally:
                connection.close()
        return samples


class Way:
    """One place that metrics go to. While it fails it is left alone for a moment, and that is said once."""

    def __init__(
        self, what: str, send: Callable[[list[Sample]], None], close: Callable[[], None] = lambda: None
    ) -> None:
        self._what, self._send, self.close = what, send, close
        self._quiet_until, self._told = 0.0, False

    def send(self, samples: list[Sample]) -> None:
        if not samples or time.monotonic() < self._quiet_until:
            return
        try:
            self._send(samples)
            self._told = False
        except (OSError, redis.RedisError) as error:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            if not self._told:
                self._told = True
                log.warning("Metrics do not reach %s (%s). They are left out until they do.", self._what, error)


def _ways() -> Iterable[Way]:
    if settings.STATSD:
        host, port = settings.STATSD
        server = StatsdServer(host, port, settings.STATSD_PREFIX)
        yield Way(f"StatsD at {host}:{port}", server.send, server.close)
    if settings.METRICS:
        yield Way("Redis", lambda samples: totals.add(samples, process_name()))


_sender = Sender()
atexit.register(_sender.end)
os.register_at_fork(after_in_child=_sender.begin_anew)
