"""Deploy markers: a line across the graphs of Graphite at the moment when something shipped."""

import logging
import threading
import time
from collections import deque
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction

from notifications.models import Event
from notifications.sentences import tell

log = logging.getLogger(__name__)

# Each ends a deploy that may have changed what hosts run.
MARKED = {"deploy.succeeded", "deploy.partial", "deploy.failed", "deploy.needs_attention"}
ANSWER_SECONDS = 5.0
WAITS = (1.0, 10.0, 60.0, 300.0)  # seconds before each further try
MOST_WAITING = 1000


def mark(event: Event) -> None:
    """Let Graphite know of the end of a deploy, once the transaction is committed. Returns at once."""
    if settings.GRAPHITE_EVENTS and event.kind in MARKED:
        marker = marker_of(event)
        transaction.on_commit(lambda: _marker.take(marker))


def marker_of(event: Event) -> dict[str, Any]:
    """As Graphite's `/events/` takes it; tags are what dashboards choose by."""
    return {
        "what": f"{event.application} on {event.environment}: {event.kind.partition('.')[2].replace('_', ' ')}",
        "tags": ["deploy", event.application, event.environment, event.kind.partition(".")[2]],
        "when": event.at.timestamp(),
        "data": tell(event).text,
    }


class Marker:
    """A short queue, and the thread that sends what is in it."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def take(self, marker: dict[str, Any]) -> None:
        self._waiting.append(marker)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="graphite", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._send(self._waiting.popleft())

    def _send(self, marker: dict[str, Any]) -> None:
        for wait in (*WAITS, None):
            try:
                answer = httpx.post(settings.GRAPHITE_EVENTS, json=marker, timeout=ANSWER_SECONDS)
                if answer.status_code < 500:
                    self._tell_refusal(answer)
                    return
                problem = f"it answered {answer.status_code}"
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
            if wait is not None:
                time.sleep(wait)
        log.warning("A deploy marker did not reach Graphite and is left out: %s.", problem)

    @staticmethod
    def _tell_refusal(answer: httpx.Response) -> None:
        if answer.is_error:
            log.warning("Graphite refused a deploy marker (%s). Check GRAPHITE_EVENTS.", answer.status_code)


_marker = Marker()
