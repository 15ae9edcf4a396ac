"""The live log of a deploy over a WebSocket: level-triggered, so a reconnect, a late visitor and an end are one path.

Words on the channel layer only say that there may be something new. What is sent is always read from the database,
from this reader's own next line on; with the layer down the same reader looks once a second.

Close codes: 1000 the deploy is over and all was sent; 4400 a parameter is wrong, or the reader said something; 4403 not
allowed (any more); 4404 no such deploy; 4429 this person has too many logs open; 4408 the reader takes nothing, 4500
something broke here: it may come back and go on where it was. An application may send 1000 and 3000 to 4999 only; with
any other code the server under us closes nothing, and the reader would wait for ever.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError

from deployments import live
from deployments.addresses import of_deploy
from deployments.admission import NotAdmitted, Ticket, TooManyOpen, admit, seat
from deployments.backpressure import flow_of
from deployments.frames import Snapshot, shared
from deployments.log_reading import READERS
from deployments.watching import Room, watching, watching_frame
from deployments.words import crowd_of, hearing
from environments.access import VIEW, allows
from environments.models import User
from environments.validation import NAME

log = logging.getLogger(__name__)

STATUS_SECONDS = 0.2
READING_SHARE = 10
PERMIT_SECONDS = 5.0
RETRY_SECONDS = 1.0
STUCK_SECONDS = 30.0
LAST_STEP = 100  # readers of the last lines begin at the same places, so that they share what is read
LAST_SECONDS = 0.25  # while lines are left out for them, or they are many, they are told the last ones so often
COUNT_SECONDS = 0.1
CROWD = 25  # of readers of one deploy in this process; four times as many are told half as often
MOST_N = 2**63 - 1
MOST_LOGS = 50  # of one person, in this process


class WrongParameter(ValueError):
    """The address of the socket asks for something that cannot be."""


@dataclass(frozen=True)
class Wanted:
    """What a reader asks for: lines from `start` on, of one host or all; `last`: of what is stored already, only the
    last so many lines (0: all); `page`: it is a page, which shows who else looks at it."""

    start: int = 1
    host: str = ""
    last: int = 0
    page: bool = False


def read_parameters(query: bytes) -> Wanted:
    """What the address of a socket asks for. Raises WrongParameter."""
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if set(values) - {"from", "host", "last", "page"} or any(len(given) > 1 for given in values.values()):
        raise WrongParameter("The parameters are from=N, host=NAME, last=N and page=1, once each.")
    host = values.get("host", [""])[0]
    if host and not re.fullmatch(NAME, host):
        raise WrongParameter("host=NAME is the name of a host.")
    if values.get("page", ["1"]) != ["1"]:
        raise WrongParameter("page=1 is what a page says.")
    start = _number("from", values.get("from", ["1"])[0])
    return Wanted(start, host, _number("last", values["last"][0]) if "last" in values else 0, "page" in values)


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > MOST_N:
        raise WrongParameter(f"{name}=N is a number of lines, 1 or more.")
    return int(text)


class LogConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels carries no types
    """One reader: it sends what is stored, waits for a word, sends what is new."""

    # Channels' own link to the layer ends the socket when the layer breaks; an ear survives that.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._task: asyncio.Task[None] | None = None
        self._word = asyncio.Event()
        self._permitted_until = time.monotonic() + PERMIT_SECONDS
        self._changed_at = time.monotonic()  # when we heard, or must suppose, that the status has changed
        self._heard_at = 0.0
        self._rest_until = 0.0
        self._flooded = False
        self._told_at = 0.0
        self._told: Snapshot | None = None
        self._pause = STATUS_SECONDS
        self._room: Room | None = None
        self._people = watching_frame([])
        self._held = ExitStack()

    async def connect(self) -> None:
        self.deploy_id: int = self.scope["url_route"]["kwargs"]["deploy_id"]
        self._ticket: Ticket
        try:
            self._ticket = await _in_thread(admit, self.scope, VIEW)
            self._held.enter_context(seat(self._ticket, "log", MOST_LOGS))
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
        try:
            self._wanted = read_parameters(self.scope["query_string"])
        except WrongParameter as wrong:
            await self.close(code=4400, reason=str(wrong))
            return
        self._next = self._wanted.start
        self._task = asyncio.create_task(self._serve())
        self._task.add_done_callback(self._tell_failure)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing is expected from a reader."""
        await self.close(code=4400)

    async def disconnect(self, code: int) -> None:
        self._held.close()
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _serve(self) -> None:
        code = 4500
        try:
            if not await self._still_permitted():
                code = 4404  # as where there is no such deploy
                return
            with ExitStack() as open_for:
                if self._wanted.page:
                    room = watching(self.deploy_id, self._ticket.username, self._ticket.full_name)
                    self._room = open_for.enter_context(room)
                open_for.enter_context(hearing(live.group(self.deploy_id), self))
                code = await self._follow()
        except TimeoutError:
            code = 4408
        finally:
            await self.close(code=code)

    async def _follow(self) -> int:
        """Send until the end; the close code."""
        while True:
            self._word.clear()
            if self._room and (people := self._room.people_frame()) != self._people:
                self._people = people
                await self.send(text_data=people)
            try:
                if time.monotonic() >= self._permitted_until and not await self._still_permitted():
                    return 4403
                # in this order: the lines of a deploy that is over are all stored
                last = await self._send_status()
                if last is None:
                    return 4404
                all_sent = await self._send_lines()
            except (OperationalError, InterfaceError) as trouble:
                log.warning("Reading deploy %s for a page failed, trying again: %s", self.deploy_id, trouble)
                self.hear(None)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if last and all_sent:
                await self.send(text_data=last)
                return 1000
            if all_sent or self._rests:
                await self._wait()

    async def _still_permitted(self) -> bool:
        self._permitted_until = time.monotonic() + PERMIT_SECONDS
        return bool(await _in_thread(self._ticket.holds, self._may_look))

    def _may_look(self, user: User) -> bool:
        return allows(user, VIEW) or of_deploy(user, VIEW, {"deploy_id": self.deploy_id})

    async def _send_status(self) -> str | None:
        """Tell the status if it may have changed, but not too often.

        Returns the last frame of the socket if the deploy is over, "" if it is not, None if there is no such deploy.
        """
        if self._changed_at <= self._told_at or time.monotonic() < self._told_at + self._pause:
            return ""
        since, self._told_at = self._changed_at, time.monotonic()
        found = await shared().snapshot(self.deploy_id, since)
        if found is None:
            return None
        # thousands of hosts take long to read: never more than a part of the time is spent on that
        self._pause = max(STATUS_SECONDS, READING_SHARE * found.took)
        if self._told is None or found.frame != self._told.frame:
            frame, self._told = found.since(self._told, page=self._wanted.page), found
            await self.send(text_data=frame)
        return found.end

    async def _send_lines(self) -> bool:
        """Send what is stored; False when there may be more: after a rest, or once it was asked who may."""
        while time.monotonic() < self._permitted_until:
            await self._leave_out()
            found = await shared().lines(self.deploy_id, self._next, self._wanted.host, time.monotonic())
            if not found.frames:
                return True
            if self._wanted.last and found.following - self._next > self._wanted.last + LAST_STEP:
                self._heard_at = time.monotonic()  # many came since they were counted
                self._flooded = False
                continue
            for frame in found.frames:
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._flow.ready()
                await self.send(text_data=frame)
            self._next = found.following
            if self._rest():
                return False
        self.hear(None)
        return False

    async def _leave_out(self) -> None:
        """Who wants the last lines only is not sent what lies far behind: it asks for that by place, to look at it."""
        if not self._wanted.last:
            return
        now = time.monotonic()
        since = now - now % LAST_SECONDS if self._flooded else max(self._heard_at, now - COUNT_SECONDS)
        total = await shared().total(self.deploy_id, since)
        first = (total - self._wanted.last) // LAST_STEP * LAST_STEP + 1
        self._flooded = first > self._next
        self._next = max(first, self._next)

    def _rest(self) -> bool:
        """Whether who looks at the last lines rests now: where lines come faster than anybody reads, or many look.

        All rest until the same moments, so that what they are sent then was read and written once.
        """
        crowd = crowd_of(live.group(self.deploy_id))
        if not self._wanted.last or (not self._flooded and crowd <= CROWD):
            return False
        pace = LAST_SECONDS * (2 if crowd > 4 * CROWD else 1)
        now = time.monotonic()
        self._rest_until = now - now % pace + pace
        return True

    @property
    def _rests(self) -> bool:
        return time.monotonic() < self._rest_until

    async def _wait(self) -> None:
        """For the end of a rest; or a word, until the status may be told again, or the permission must be asked for."""
        if self._rests:
            await asyncio.sleep(self._rest_until - time.monotonic())
            return
        pending = self._changed_at > self._told_at
        until = self._told_at + self._pause if pending else self._permitted_until
        with suppress(TimeoutError):
            async with asyncio.timeout(max(until - time.monotonic(), 0.01)):
                await self._word.wait()

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.error("A live log of deploy %s broke", self.deploy_id, exc_info=task.exception())

    def hear(self, word: Mapping[str, Any] | None) -> None:
        """Called by the ear; a word that the log is longer leaves the status as it was."""
        self._heard_at = time.monotonic()
        if self._room:
            self._room.hear(word)
        if word is None or word.get("changed"):
            self._changed_at = self._heard_at
        self._word.set()


async def _in_thread(work: Any, *arguments: Any) -> Any:
    return await database_sync_to_async(work, thread_sensitive=False, executor=READERS)(*arguments)
