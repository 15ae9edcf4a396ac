"""Word to open pages: "something about this has changed". Never a text, and never in anybody's way."""

import logging
import threading
import time
from collections.abc import Mapping

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PAGES = "pages"  # the group in which every web process hears what changed
GATHER_SECONDS = 0.02  # words to one group within this time become one
QUIET_SECONDS = 1.0  # how long a broken channel layer is left alone

_wake = threading.Event()
_lock = threading.Lock()
_pending: dict[str, dict[str, int]] = {}
_thread: threading.Thread | None = None


def changed(*topics: str) -> None:
    """Tell pages that show one of these, as `event`, `target/shop/staging` or `host/web-1`. Call it on commit."""
    say(PAGES, dict.fromkeys(topics, 1))


def say(group: str, values: Mapping[str, int]) -> None:
    """Send a word to a group; of words that wait the highest values count.

    Returns at once; a layer that is down loses nothing: pages ask the database.
    """
    global _thread  # noqa: PLW0603 - begun at the first need, since a process may fork before
    with _lock:
        word = _pending.setdefault(group, {})
        for name, value in values.items():
            word[name] = max(word.get(name, 0), value)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="announce", daemon=True)
            _thread.start()
    _wake.set()


def _run() -> None:
    """One thread per process sends, the latest word per group only: a slow layer makes fewer words, not a queue."""
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


async def _send(words: dict[str, dict[str, int]]) -> None:
    layer = get_channel_layer()
    for group, word in words.items():
        await layer.group_send(group, {"type": "word", **word})
