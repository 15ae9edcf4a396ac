"""Word to workers that a channel has something to send. Never in anybody's way: a thread rings, and sweeps look too."""

import threading
from collections.abc import Iterable

from notifications.broker import publish

TASK = "notifications.tasks.deliver"

_wake = threading.Event()
_lock = threading.Lock()
_pending: set[int] = set()
_thread: threading.Thread | None = None


def ring(channel_ids: Iterable[int]) -> None:
    """Returns at once. Call it on commit."""
    global _thread  # noqa: PLW0603 - begun at the first need, since a process may fork before
    with _lock:
        _pending.update(channel_ids)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="bell", daemon=True)
            _thread.start()
    _wake.set()


def _run() -> None:
    while True:
        _wake.wait()
        _wake.clear()
        with _lock:
            channels = sorted(_pending)
            _pending.clear()
        for channel_id in channels:
            if not publish(TASK, [channel_id]):
                break  # the broker is down: sweeps see to all of them
