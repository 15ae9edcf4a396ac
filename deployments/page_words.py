"""Who hears what changed: all open pages of this process share one ear and, while no word comes, one look.

A word names topics; a page hears it when it watches one of them. When words may have been lost (the channel layer is
down, or some seconds have passed) the database is asked whether anything changed at all, and then every page hears.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError

from deployments.log_reading import READERS
from deployments.page_queries.waiting import count_waiting
from deployments.pulse import Pulse, read_pulse
from deployments.words import hearing
from notifications import live

log = logging.getLogger(__name__)

COUNT_SECONDS = 0.4  # what waits is counted at most that often, once for all pages
_PROCESS = secrets.token_hex(4)


class Viewer(Protocol):
    """An open page. Until it has said its topics, which are None so far, everything may be about it."""

    topics: Collection[str] | None

    def hear(self) -> None: ...

    def hear_count(self, waiting: int) -> None: ...


class Hall:
    """The pages that are open on one event loop."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self._pulse: Pulse | None = None
        self._look: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None
        self._uncounted = False

    def hear(self, word: Mapping[str, Any] | None) -> None:
        """Called by the ear."""
        if word is None or "event" in word or "deploys" in word:
            self.count()
        if word is None:
            if self._look is None or self._look.done():
                self._look = asyncio.ensure_future(self._look_for_changes())
            return
        for viewer in tuple(self.viewers):
            if viewer.topics is None or not word.keys().isdisjoint(viewer.topics):
                viewer.hear()

    def count(self) -> None:
        """Tell all pages how many deploys wait, soon."""
        self._uncounted = True
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._tell_count())

    def close(self) -> None:
        for task in (self._look, self._counting):
            if task:
                task.cancel()

    async def _tell_count(self) -> None:
        read = database_sync_to_async(count_waiting, thread_sensitive=False, executor=READERS)
        while self._uncounted:
            self._uncounted = False
            try:
                waiting = await read()
            except (OperationalError, InterfaceError) as trouble:
                log.warning("What waits could not be counted, trying again with the next word: %s", trouble)
                return
            for viewer in tuple(self.viewers):
                viewer.hear_count(waiting)
            await asyncio.sleep(COUNT_SECONDS)

    async def _look_for_changes(self) -> None:
        read = database_sync_to_async(read_pulse, thread_sensitive=False, executor=READERS)
        try:
            pulse = await read()
        except (OperationalError, InterfaceError) as trouble:
            log.warning("Looking for changes failed, trying again: %s", trouble)
            return
        if self._pulse is not None and pulse != self._pulse:
            for viewer in tuple(self.viewers):
                viewer.hear()
        self._pulse = pulse


_halls: dict[asyncio.AbstractEventLoop, tuple[Hall, ExitStack]] = {}


@contextmanager
def watching(viewer: Viewer) -> Iterator[None]:
    """Within this, `viewer` hears when something of its topics may have changed."""
    loop = asyncio.get_running_loop()
    if loop not in _halls:
        hall, ear = Hall(), ExitStack()
        ear.enter_context(hearing(live.PAGES, hall))
        _halls[loop] = (hall, ear)
    hall, ear = _halls[loop]
    hall.viewers.add(viewer)
    hall.count()
    try:
        yield
    finally:
        hall.viewers.discard(viewer)
        if not hall.viewers:
            ear.close()
            hall.close()
            del _halls[loop]


def count_open() -> int:
    """How many pages are open at this process; from any thread."""
    return sum(len(hall.viewers) for hall, _ in tuple(_halls.values()))


def moment() -> str:
    """Now, as a browser carries it from a word to its request: what was read since then is new enough for it."""
    return f"{_PROCESS}.{time.monotonic():.3f}"


def moment_of(text: str) -> float | None:
    """On this process's monotonic clock; None for one of another process, or for none."""
    process, _, seconds = text.partition(".")
    try:
        return float(seconds) if process == _PROCESS else None
    except ValueError:
        return None
