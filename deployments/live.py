"""Word to open pages: "something changed", "there are lines up to n". Never a text, and never in anybody's way."""

import logging
import threading
import time
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.02  # words about one deploy within this time become one
QUIET_SECONDS = 1.0  # how long a broken channel layer is left alone

_wake = threading.Event()
_lock = threading.Lock()
_pending: dict[int, dict[str, Any]] = {}
_thread: threading.Thread | None = None


def group(deploy_id: int) -> str:
    return f"deploy-{deploy_id}"


def announce(deploy_id: int, *, n: int = 0, changed: bool = False) -> None:
    """Tell who watches a deploy. Returns at once; a layer that is down loses nothing: pages ask the database."""
    global _thread  # noqa: PLW0603 - begun at the first need, since a process may fork before
    with _lock:
        word = _pending.setdefault(deploy_id, {"type": "deploy.word", "n": 0, "changed": False})
        word["n"] = max(word["n"], n)
        word["changed"] = word["changed"] or changed
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="announce", daemon=True)
            _thread.start()
    _wake.set()


def _run() -> None:
    """One thread per process sends, the latest word per deploy only: a slow layer makes fewer words, not a queue."""
    send = async_to_sync(_send)
    told = True
    while True:
        _wake.wait()
        _wake.clear()
        with _lock:
            words = dict(_pending)
            _pending.clear()
        try:
            send(words)
        except (OSError, RedisError, TimeoutError) as error:
            if told:
                log.warning("Pages are not told of changes for now, they ask by themselves: %s", error)
            told = False
            time.sleep(QUIET_SECONDS)
        else:
            told = True
            time.sleep(GATHER_SECONDS)


async def _send(words: dict[int, dict[str, Any]]) -> None:
    layer = get_channel_layer()
    for deploy_id, word in words.items():
        await layer.group_send(group(deploy_id), word)
