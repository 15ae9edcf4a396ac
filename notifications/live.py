"""Word to open pages: "something about this has changed". Never a text, and never in anybody's way."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PAGES = "pages"  # the group in which every web process hears what changed
GATHER_SECONDS = 0.02  # words to one group within this time become one
SEND_SECONDS = 5.0  # a connection that is kept may have died without a word
QUIET_SECONDS = 1.0  # how long a broken channel layer is left alone

Words = dict[str, dict[str, int]]  # by group

_wake = threading.Event()
_lock = threading.Lock()
_pending: Words = {}
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
    words: Words = {}
    told, kept = True, False
    while True:
        try:
            # the layer keeps its connection with the loop that asked for it; a new one costs more than many words
            with asyncio.Runner() as runner:
                while True:
                    words = words or _next_words()
                    runner.run(_send(words))
                    words, told, kept = {}, True, True
                    time.sleep(GATHER_SECONDS)
        except (OSError, RedisError, TimeoutError) as error:
            if kept:
                kept = False
                continue  # it had died while nobody spoke: the same words over a new one
            if told:
                log.warning("Pages are not told of changes for now, they ask by themselves: %s", error)
            words, told = {}, False
            time.sleep(QUIET_SECONDS)


def _next_words() -> Words:
    """What waits to be said; waits until there is something."""
    _wake.wait()
    _wake.clear()
    with _lock:
        words = dict(_pending)
        _pending.clear()
    return words


async def _send(words: Words) -> None:
    layer = get_channel_layer()
    async with asyncio.timeout(SEND_SECONDS):
        for group, word in words.items():
            await layer.group_send(group, {"type": "word", **word})
