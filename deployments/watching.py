"""Who has the page of a deploy open: said from process to process by the channel layer, and kept nowhere.

Whoever closes the page is gone at once; those of a process that says nothing any more are gone after a while. With the
layer down each process shows its own.
"""

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from channels.layers import get_channel_layer

from deployments import live
from deployments.words import LAYER_SECONDS, TROUBLE

GONE_SECONDS = 15.0
LIST_SECONDS = 0.2  # a list is made again for who comes, who leaves, or after that time: not for each who asks
ASK_SECONDS = 1.0
PROCESS = secrets.token_hex(8)


class Room:
    """Those who watch one deploy."""

    def __init__(self, deploy_id: int) -> None:
        self.here: Counter[tuple[str, str]] = Counter()
        self._deploy_id = deploy_id
        self._elsewhere: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._heard: Mapping[str, Any] | None = None
        self._asked_at = 0.0
        self.changes = 0
        self._frame, self._framed_at, self._framed = watching_frame([]), 0.0, 0

    def people_frame(self) -> str:
        """As each page is told."""
        now = time.monotonic()
        if self._framed != self.changes or now - self._framed_at >= LIST_SECONDS:
            self._frame, self._framed_at, self._framed = watching_frame(self.people()), now, self.changes
        return self._frame

    def people(self) -> list[str]:
        """Full names in order, each person once."""
        found = dict(list(self.here))
        for said_at, there in self._elsewhere.values():
            if time.monotonic() - said_at < GONE_SECONDS:
                found |= there
        return sorted(found.values())

    def hear(self, word: Mapping[str, Any] | None) -> None:
        """A word to the deploy's group, as every watcher hears it; None: words may have been missed."""
        if word is None:
            if time.monotonic() - self._asked_at >= ASK_SECONDS:
                self._asked_at = time.monotonic()
                self.tell(ask=True)
        elif "people" in word and word is not self._heard and word["from"] != PROCESS:
            self._heard = word
            self._elsewhere[word["from"]] = (time.monotonic(), word["people"])
            self.changes += 1
            if word["ask"]:
                self.tell(ask=False)

    def tell(self, *, ask: bool) -> None:
        """Say to other processes who watches here, and ask who does there."""
        word = {"type": "deploy.word", "from": PROCESS, "people": dict(list(self.here)), "ask": ask}
        telling = asyncio.ensure_future(_send(live.group(self._deploy_id), word))
        _telling.add(telling)
        telling.add_done_callback(_telling.discard)


def watching_frame(people: list[str]) -> str:
    """What a page is told of who has it open, too."""
    return json.dumps({"watching": people})


async def _send(group: str, word: Mapping[str, Any]) -> None:
    layer: Any = get_channel_layer()
    with suppress(*TROUBLE):
        async with asyncio.timeout(LAYER_SECONDS):
            await layer.group_send(group, word)


_telling: "set[asyncio.Future[None]]" = set()
_rooms: dict[tuple[asyncio.AbstractEventLoop, int], Room] = {}


@contextmanager
def watching(deploy_id: int, username: str, full_name: str) -> Iterator[Room]:
    """Within this, a person is shown to all who watch the deploy."""
    key, person = (asyncio.get_running_loop(), deploy_id), (username, full_name)
    room = _rooms.get(key) or _rooms.setdefault(key, Room(deploy_id))
    room.here[person] += 1
    room.changes += 1
    room.tell(ask=False)
    try:
        yield room
    finally:
        room.here[person] -= 1
        room.here += Counter()  # without those who have left
        room.changes += 1
        room.tell(ask=False)
        if not room.here:
            del _rooms[key]
