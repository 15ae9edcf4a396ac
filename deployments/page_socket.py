"""The one WebSocket of an open page: it says `{"look": moment}` when something that the page shows may have changed.

The page then asks, over HTTP, for the pieces that it lacks; nothing of what it shows passes here, so a lost word, a
reconnect and a stop of the web process are one path: look again. The page says which topics it shows, and how many
deploys its navigation says are waiting: `{"topics": ["event", "target/shop/staging"], "waiting": 2}`. When that is no
longer so it is told the number, for which no page has to be read again: `{"waiting": 3}`.

Close codes: 4400 what came is no list of topics; 4403 not allowed (any more); 4429 this person has too many pages
open; 4408 the page takes nothing; 4500 something broke here.
"""

import asyncio
import json
import logging
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError

from deployments.admission import NotAdmitted, Ticket, TooManyOpen, admit, seat
from deployments.backpressure import flow_of
from deployments.log_reading import READERS
from deployments.page_words import moment, watching
from deployments.topics import audible
from environments.access import VIEW, allows_somewhere

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.4  # a page is told at most that often; the first word after a rest at once
PERMIT_SECONDS = 5.0
RETRY_SECONDS = 1.0
STUCK_SECONDS = 30.0
MOST_PAGES = 50  # of one person, in this process
MOST_TOPICS = 100
TOPIC_LENGTH = 200


class WrongTopics(ValueError):
    """What a page said is no list of topics."""


@dataclass(frozen=True)
class Shown:
    """What a page says that it shows; `waiting` is None where nothing is said of that."""

    topics: frozenset[str]
    waiting: int | None


def read_shown(text: str | None) -> Shown:
    """Raises WrongTopics."""
    try:
        said = json.loads(text or "")
    except ValueError:
        raise WrongTopics("This is no JSON.") from None
    topics = said.get("topics") if isinstance(said, dict) else None
    if not isinstance(topics, list) or len(topics) > MOST_TOPICS:
        raise WrongTopics(f"At most {MOST_TOPICS} topics are expected.")
    if not all(isinstance(topic, str) and len(topic) <= TOPIC_LENGTH for topic in topics):
        raise WrongTopics("A topic is a short text.")
    waiting = said.get("waiting")
    if waiting is not None and type(waiting) is not int:
        raise WrongTopics("The number of those that wait is a number.")
    return Shown(frozenset(topics), waiting)


class PageConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels carries no types
    """One open page."""

    # Channels' own link to the layer ends the socket when the layer breaks; an ear survives that.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics: frozenset[str] | None = None
        self._viewable: frozenset[str] = frozenset()  # what could be viewed when the page named it
        self._task: asyncio.Task[None] | None = None
        self._word = asyncio.Event()
        self._news = False
        self._shown: int | None = None  # in its navigation
        self._waiting: int | None = None
        self._told_at = 0.0
        self._permitted_until = time.monotonic() + PERMIT_SECONDS
        self._held = ExitStack()

    async def connect(self) -> None:
        try:
            self._ticket: Ticket = await _in_thread(admit, self.scope, VIEW)
            self._held.enter_context(seat(self._ticket, "page", MOST_PAGES))
        except NotAdmitted as refusal:
            log.warning("A WebSocket of %s was refused: %s", self.scope["path"], refusal)
            await self.close(code=4403)
            return
        except TooManyOpen as refusal:
            log.warning("A WebSocket of %s was refused: %s", self.scope["path"], refusal)
            await self.accept()
            await self.close(code=4429)
            return
        await self.accept()
        self._flow = flow_of(self.base_send)
        self._task = asyncio.create_task(self._serve())
        self._task.add_done_callback(self._tell_failure)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The topics that the page shows now."""
        try:
            shown = read_shown(text_data)
        except WrongTopics as wrong:
            await self.close(code=4400, reason=str(wrong))
            return
        if self._ticket.sees_all:
            self.topics = self._viewable = shown.topics
            self._shown = shown.waiting
            self._word.set()
        else:
            self.topics = self._viewable = await _in_thread(self._audible, shown.topics)
            self.hear()  # of what was said meanwhile

    async def disconnect(self, code: int) -> None:
        self._held.close()
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def hear(self) -> None:
        """Called in the hall."""
        self._news = True
        self._word.set()

    def hear_count(self, waiting: int) -> None:
        """Called in the hall."""
        self._waiting = waiting
        self._word.set()

    async def _serve(self) -> None:
        code = 4500
        try:
            with watching(self):
                code = await self._follow()
        except TimeoutError:
            code = 4408
        finally:
            await self.close(code=code)

    async def _follow(self) -> int:
        """Tell of changes until this person may no longer look; the close code."""
        while True:
            now = time.monotonic()
            if now >= self._permitted_until and not await self._still_permitted():
                return 4403
            if self._news and now >= self._told_at + LOOK_SECONDS:
                self._news, self._told_at = False, now
                await self._send({"look": moment()})
            if self._shown is not None and self._waiting not in (None, self._shown):
                self._shown = self._waiting
                await self._send({"waiting": self._waiting})
            await self._wait()

    async def _still_permitted(self) -> bool:
        try:
            allowed = bool(await _in_thread(self._may_look))
        except (OperationalError, InterfaceError) as trouble:
            log.warning("Whether a page may stay open could not be asked, trying again: %s", trouble)
            self._permitted_until = time.monotonic() + RETRY_SECONDS
            return True  # it gets no more than the word to ask, and whoever asks is asked who they are
        self._permitted_until = time.monotonic() + PERMIT_SECONDS
        return allowed

    def _audible(self, named: frozenset[str]) -> frozenset[str]:
        user = self._ticket.user()
        return audible(user, named) if user else frozenset()

    def _may_look(self) -> bool:
        """Whether this person may view something still, and all that the page shows."""
        shown = self._viewable
        return self._ticket.holds(lambda user: allows_somewhere(user, VIEW) and audible(user, shown) == shown)

    async def _send(self, frame: dict[str, object]) -> None:
        async with asyncio.timeout(STUCK_SECONDS):
            await self._flow.ready()
        await self.send(text_data=json.dumps(frame))

    async def _wait(self) -> None:
        """For a word; or until one may be told, or the permission must be asked for."""
        until = min(self._permitted_until, self._told_at + LOOK_SECONDS) if self._news else self._permitted_until
        with suppress(TimeoutError):
            async with asyncio.timeout(max(until - time.monotonic(), 0.01)):
                await self._word.wait()
        self._word.clear()

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.error("The socket of a page broke", exc_info=task.exception())


async def _in_thread(work: Any, *arguments: Any) -> Any:
    return await database_sync_to_async(work, thread_sensitive=False, executor=READERS)(*arguments)
