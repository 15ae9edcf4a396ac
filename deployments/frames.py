"""Frames of a live log, made once for all who watch: whoever asks for the same lines or status shares the answer."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from channels.db import database_sync_to_async

from deployments.api.representation import deploys, represent
from deployments.log import Line
from deployments.log_reading import READERS, read_piece, read_total
from deployments.models import Deploy
from deployments.states import FINAL

FRAME_LINES = 500
FRAME_BYTES = 250_000
KEPT_PIECES = 8  # of about 2 MB at most
KEPT_SNAPSHOTS = 32
MANY_HOSTS = 300  # from here on a reader is told of those hosts that have changed
_HOSTS = '"hosts": ['

Answer = TypeVar("Answer")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Lines:
    """Some frames in order; the next one begins at `following`."""

    frames: tuple[str, ...]
    following: int


@dataclass(frozen=True)
class Snapshot:
    """A deploy's status as a frame; with `end`, the last frame of the socket, when the deploy is over.

    `hosts`: each host's own part of the frame. `took`: seconds that it took to read.
    """

    frame: str
    end: str
    hosts: Mapping[str, str] = field(default_factory=dict)
    took: float = 0.0
    _made: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def since(self, told: "Snapshot | None", *, page: bool = False) -> str:
        """The frame for a reader who was told that: of very many hosts, or for a page, only those that have changed."""
        if told is None or len(self.hosts) != len(told.hosts) or (len(self.hosts) <= MANY_HOSTS and not page):
            return self.frame
        if told.frame not in self._made:  # nearly all readers were told the same before
            self._made[told.frame] = self._beyond(told)
        return self._made[told.frame]

    def _beyond(self, told: "Snapshot") -> str:
        changed = [part for host, part in self.hosts.items() if told.hosts.get(host) != part]
        return _with_hosts(self.frame[: self.frame.rindex(_HOSTS)], changed)


@dataclass
class Shared:
    """The answers of one event loop.

    Stored lines never change, so frames "from n" stay right for ever. That there are none, and a status, is only an
    answer for who asked before it was read: both go by `since`, a time on the monotonic clock.
    """

    _pieces: "OrderedDict[tuple[int, str, int], _Reading[Lines]]" = field(default_factory=OrderedDict)
    _snapshots: "OrderedDict[int, _Reading[Snapshot | None]]" = field(default_factory=OrderedDict)
    _totals: "OrderedDict[int, _Reading[int]]" = field(default_factory=OrderedDict)

    async def lines(self, deploy_id: int, start: int, host: str, since: float) -> Lines:
        """Frames from `n = start` on; no frames: at `since` there were no more."""
        key = (deploy_id, host, start)
        while True:
            piece = self._pieces.get(key)
            if piece is None or piece.failed:
                piece = _Reading(_read_lines(deploy_id, start, host))
                _keep(self._pieces, key, piece, KEPT_PIECES)
            found = await piece.answer()
            if found.frames:
                return found
            if self._pieces.get(key) is piece:
                del self._pieces[key]
            if piece.begun >= since:
                return found

    async def snapshot(self, deploy_id: int, since: float) -> Snapshot | None:
        """The status as it was at `since` or later; None when the deploy is gone."""
        return await _fresh(self._snapshots, deploy_id, since, _read_snapshot)

    async def total(self, deploy_id: int, since: float) -> int:
        """How many lines were stored at `since` or later."""
        return await _fresh(self._totals, deploy_id, since, read_total)


class _Reading(Generic[Answer]):
    """A read under way or done. Whoever awaits it may leave; it goes on for the others."""

    def __init__(self, read: Coroutine[Any, Any, Answer]) -> None:
        self.begun = time.monotonic()
        self._task = asyncio.ensure_future(read)

    @property
    def failed(self) -> bool:
        return self._task.done() and (self._task.cancelled() or self._task.exception() is not None)

    async def answer(self) -> Answer:
        return self._task.result() if self._task.done() else await asyncio.shield(self._task)


async def _fresh(
    readings: "OrderedDict[int, _Reading[Answer]]",
    deploy_id: int,
    since: float,
    read: Callable[[int], Coroutine[Any, Any, Answer]],
) -> Answer:
    """The answer of a read that began at `since` or later."""
    reading = readings.get(deploy_id)
    if reading is None or reading.failed or reading.begun < since:
        reading = _Reading(read(deploy_id))
        _keep(readings, deploy_id, reading, KEPT_SNAPSHOTS)
    return await reading.answer()


def _keep(readings: OrderedDict[Key, Any], key: Key, reading: Any, most: int) -> None:
    readings[key] = reading
    readings.move_to_end(key)
    while len(readings) > most:
        readings.popitem(last=False)


_shared: dict[int, tuple[asyncio.AbstractEventLoop, Shared]] = {}


def shared() -> Shared:
    """The answers that everybody on this event loop shares."""
    loop = asyncio.get_running_loop()
    kept = _shared.get(id(loop))
    if kept is None or kept[0] is not loop:
        for key in [key for key, (other, _) in _shared.items() if other.is_closed()]:
            del _shared[key]
        kept = _shared[id(loop)] = (loop, Shared())
    return kept[1]


async def _read_lines(deploy_id: int, start: int, host: str) -> Lines:
    lines = await read_piece(deploy_id, start, host)
    if not lines:
        return Lines((), start)
    frames = await asyncio.get_running_loop().run_in_executor(READERS, lambda: tuple(_frames(lines)))
    return Lines(frames, lines[-1].n + 1)


def _frames(lines: Sequence[Line]) -> Iterator[str]:
    """At most FRAME_LINES lines and FRAME_BYTES bytes each, but one line at least."""
    parts: list[str] = []
    size = 0
    for line in lines:
        part = json.dumps(vars(line), ensure_ascii=False, separators=(",", ":"))
        length = len(part) if part.isascii() else len(part.encode("utf-8", "surrogatepass"))
        if parts and (len(parts) >= FRAME_LINES or size + length > FRAME_BYTES):
            yield _frame(parts)
            parts, size = [], 0
        parts.append(part)
        size += length + 1
    yield _frame(parts)


def _frame(parts: Sequence[str]) -> str:
    return '{"lines":[' + ",".join(parts) + "]}"


async def _read_snapshot(deploy_id: int) -> Snapshot | None:
    read = database_sync_to_async(_snapshot_of, thread_sensitive=False, executor=READERS)
    found: Snapshot | None = await read(deploy_id)
    return found


def _with_hosts(begin: str, hosts: Sequence[str]) -> str:
    """The beginning of a frame, up to its hosts, with these."""
    return begin + _HOSTS + ", ".join(hosts) + "]}}"


def _snapshot_of(deploy_id: int) -> Snapshot | None:
    deploy: Deploy | None = deploys().filter(pk=deploy_id).first()
    if deploy is None:
        return None
    began = time.monotonic()
    end = {"status": deploy.status, "lines": deploy.lines, "sha256": deploy.log_sha256}
    facts = represent(deploy)
    rows = facts.pop("hosts")
    parts = {row["host"]: json.dumps(row) for row in rows}
    empty = json.dumps({"status": {**facts, "hosts": []}})
    frame = _with_hosts(empty.removesuffix(_HOSTS + "]}}"), list(parts.values()))
    last = json.dumps({"end": end}) if deploy.status in FINAL else ""
    return Snapshot(frame, last, parts, time.monotonic() - began)
