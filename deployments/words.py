"""Hears what is said to a group of the channel layer: one ear per group in this process, for all who watch it.

A word only says that there may be something new. While the layer is down the ear says so once a second, and every few
seconds anyway, so that nothing depends on a word; all watchers wake together and share what they read.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0
LAYER_SECONDS = 2.0  # a layer that hangs is one that is down
TROUBLE = (OSError, RedisError, TimeoutError)


class Watcher(Protocol):
    """Someone who wants to hear: a word, or None when anything may have been said."""

    def hear(self, word: Mapping[str, Any] | None) -> None: ...


class Ear:
    """Listens for as long as somebody watches."""

    def __init__(self, group: str) -> None:
        self.watchers: set[Watcher] = set()
        self._group = group
        self.silent_since: float | None = None  # on the monotonic clock; None while the layer answers
        self._tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._look())]
        for task in self._tasks:
            task.add_done_callback(self._tell_failure)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _say(self, word: Mapping[str, Any] | None) -> None:
        for watcher in tuple(self.watchers):
            watcher.hear(word)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._say(None)

    async def _listen(self) -> None:
        layer: Any = get_channel_layer()
        while True:
            try:
                await self._hear_words(layer)
            except TROUBLE as trouble:
                log.info("No words to %s for now: %s", self._group, trouble)
                self.silent_since = self.silent_since or time.monotonic()
            await asyncio.sleep(RETRY_SECONDS)
            self._say(None)

    async def _hear_words(self, layer: Any) -> None:
        """Until the layer breaks."""
        group, channel = self._group, await layer.new_channel()
        try:
            async with asyncio.timeout(LAYER_SECONDS):
                await layer.group_add(group, channel)
            self.silent_since = None
            self._say(None)  # what was said before we listened
            while True:
                word = await layer.receive(channel)
                self._say(word)
        finally:
            with suppress(*TROUBLE):
                async with asyncio.timeout(LAYER_SECONDS):
                    await layer.group_discard(group, channel)

    def _tell_failure(self, task: "asyncio.Future[None]") -> None:
        if not task.cancelled() and task.exception():
            log.error("The ear for %s broke", self._group, exc_info=task.exception())


_ears: dict[tuple[asyncio.AbstractEventLoop, str], Ear] = {}


def silent_since() -> float | None:
    """For how many seconds the layer has not answered who listens in this process; None when it does or nobody does."""
    silent = [ear.silent_since for ear in tuple(_ears.values()) if ear.silent_since is not None]
    return time.monotonic() - min(silent) if silent else None


def crowd_of(group: str) -> int:
    """How many watch it on this event loop."""
    ear = _ears.get((asyncio.get_running_loop(), group))
    return len(ear.watchers) if ear else 0


@contextmanager
def hearing(group: str, watcher: Watcher) -> Iterator[None]:
    """Within this, `watcher` hears whatever is said to the group."""
    key = (asyncio.get_running_loop(), group)
    ear = _ears.get(key) or _ears.setdefault(key, Ear(group))
    ear.watchers.add(watcher)
    try:
        yield
    finally:
        ear.watchers.discard(watcher)
        if not ear.watchers:
            ear.close()
            del _ears[key]
