"""Whether this installation can work right now, in sentences that say what to do.

It answers within two seconds, also when everything else is down or hangs.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from deployments import claims
from deployments.demo import demo_state

ANSWER_SECONDS = 1.5
REDIS_SECONDS = 0.5


@dataclass(frozen=True)
class State:
    ok: bool
    text: str


def database_state() -> State:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations")
            cursor.fetchone()
    except DatabaseError as error:
        return State(False, f"The database does not answer ({_first_line(error)}). Start it, and check DATABASE_URL.")
    return State(True, "The database answers.")


def redis_state() -> State:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        with client:
            client.ping()
    except redis.RedisError as error:
        return State(
            False,
            f"Redis does not answer ({_first_line(error)}). Deploys go on; new ones start later. Start it, and check "
            "REDIS_URL.",
        )
    return State(True, "Redis answers.")


def worker_state() -> State:
    try:
        living = claims.live_workers().count()
        deaf = [worker.inbox or worker.name for worker in claims.deaf_workers()]
    except DatabaseError:
        return State(False, "Nobody can tell whether a worker lives: the database does not answer.")
    if not living:
        return State(False, "No worker has reported for 8 seconds: nothing is being deployed. Start one; see its log.")
    if deaf:
        return State(
            False,
            f"{' and '.join(deaf)} {'hears' if len(deaf) == 1 else 'hear'} nothing from Redis: what is asked for "
            "starts seconds later. A worker that stays deaf while Redis answers ends, to be started anew; see its log.",
        )
    return State(True, "1 worker is alive." if living == 1 else f"{living} workers are alive.")


def demonstration_state() -> State:
    if not settings.DEMO:
        return State(True, "The demo is off.")
    try:
        return State(*demo_state())
    except DatabaseError:
        return State(False, "Nobody can tell about the demo: the database does not answer.")


class Probe:
    """A check in a thread of its own, so that one that hangs delays no answer; it is never started twice at once."""

    def __init__(self, check: Callable[[], State], *, hangs: str) -> None:
        self._check, self._hangs = check, hangs
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._found: State | None = None

    def begin(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._found = None
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._check()
        finally:
            connection.close()

    def answer(self, *, until: float) -> State:
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        return self._found or State(False, self._hangs)


PROBES = {
    "database": Probe(database_state, hangs="The database hangs. See its log, and check DATABASE_URL."),
    "redis": Probe(redis_state, hangs="Redis hangs. See its log, and check REDIS_URL."),
    "worker": Probe(worker_state, hangs="Nobody can tell whether a worker lives: the database hangs."),
    "demo": Probe(demonstration_state, hangs="Nobody can tell about the demo: the database hangs."),
}


def states() -> dict[str, State]:
    """What each part says, at most ANSWER_SECONDS after the call."""
    until = time.monotonic() + ANSWER_SECONDS
    for probe in PROBES.values():
        probe.begin()
    return {name: probe.answer(until=until) for name, probe in PROBES.items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
