"""Shared answers: one read for many, but none that is older than the question."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from deployments import frames
from deployments.frames import Shared
from deployments.log import Line


class Store:
    """Stands for the stored log; reads wait until they are let go, and see what is stored when they begin."""

    def __init__(self) -> None:
        self.count = 0
        self.reads = 0
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, deploy_id: int, start: int, host: str = "") -> list[Line]:
        self.reads += 1
        seen = self.count
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return [Line(n, host, "", "stdout", f"line {n}") for n in range(start, seen + 1)]


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(frames, "read_piece", made.read)
    return made


async def ns(asked: Any) -> list[int]:
    return [line["n"] for frame in (await asked).frames for line in json.loads(frame)["lines"]]


async def test_those_who_ask_the_same_share_one_read(store: Store) -> None:
    store.count = 3
    shared = Shared()
    asked = [asyncio.ensure_future(ns(shared.lines(1, 1, "", time.monotonic()))) for _ in range(50)]
    await asyncio.sleep(0)
    store.gate.set()
    assert await asyncio.gather(*asked) == [[1, 2, 3]] * 50
    assert store.reads == 1


async def test_that_there_was_nothing_is_no_answer_for_who_asks_later(store: Store) -> None:
    """The read had begun before the line was stored, and the question came after."""
    shared = Shared()
    early = asyncio.ensure_future(ns(shared.lines(1, 1, "", time.monotonic())))
    while not store.reads:
        await asyncio.sleep(0)
    store.count = 1
    late = asyncio.ensure_future(ns(shared.lines(1, 1, "", time.monotonic())))
    await asyncio.sleep(0)
    store.gate.set()
    assert await early == []
    assert await late == [1]
    assert store.reads == 2


async def test_who_leaves_does_not_take_the_answer_with_them(store: Store) -> None:
    store.count = 1
    shared = Shared()
    leaves, stays = (asyncio.ensure_future(ns(shared.lines(1, 1, "", time.monotonic()))) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    store.gate.set()
    assert await stays == [1]


async def test_a_read_that_failed_is_tried_anew(store: Store) -> None:
    store.count, store.failure = 1, OSError("down")
    store.gate.set()
    shared = Shared()
    with pytest.raises(OSError, match="down"):
        await shared.lines(1, 1, "", time.monotonic())
    store.failure = None
    assert await ns(shared.lines(1, 1, "", time.monotonic())) == [1]


async def test_only_so_much_is_kept(store: Store) -> None:
    store.count = 100
    store.gate.set()
    shared = Shared()
    for start in range(1, 60):
        await shared.lines(1, start, "", time.monotonic())
    assert len(shared._pieces) == frames.KEPT_PIECES


async def test_a_status_is_not_older_than_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["first", "second"])

    async def read(deploy_id: int) -> frames.Snapshot:
        return frames.Snapshot(next(said), "")

    monkeypatch.setattr(frames, "_read_snapshot", read)
    shared = Shared()
    asked = time.monotonic()
    found = [await shared.snapshot(1, asked) for _ in range(3)]
    assert [snapshot.frame for snapshot in found if snapshot] == ["first"] * 3
    later = await shared.snapshot(1, time.monotonic())
    assert later
    assert later.frame == "second"


def snapshot_of(steps: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> frames.Snapshot:
    """As it is read of a deploy whose hosts do these steps."""
    facts = {
        "id": 1,
        "reason": 'odd: "hosts": [',
        "hosts": [{"host": name, "step": step} for name, step in steps.items()],
    }
    deploy = SimpleNamespace(status="running", lines=3, log_sha256="")
    monkeypatch.setattr(
        frames, "deploys", lambda: SimpleNamespace(filter=lambda pk: SimpleNamespace(first=lambda: deploy))
    )
    monkeypatch.setattr(frames, "represent", lambda _: facts)
    found = frames._snapshot_of(1)
    assert found
    return found


@pytest.mark.parametrize(("hosts", "told"), [(frames.MANY_HOSTS, frames.MANY_HOSTS), (frames.MANY_HOSTS + 1, 2)])
def test_of_very_many_hosts_a_reader_is_told_of_those_that_changed(
    hosts: int, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {f"host-{n}": "build" for n in range(hosts)}
    changed = before | {"host-7": "live", "host-9": "live"}
    first, second = snapshot_of(before, monkeypatch), snapshot_of(changed, monkeypatch)
    for frame in (first.frame, first.since(None), second.frame):
        assert len(json.loads(frame)["status"]["hosts"]) == hosts
    frame = json.loads(second.since(first))["status"]
    assert (frame["id"], frame["reason"]) == (1, 'odd: "hosts": [')
    assert len(frame["hosts"]) == told
    assert [row for row in frame["hosts"] if row["step"] == "live"] == [
        {"host": "host-7", "step": "live"},
        {"host": "host-9", "step": "live"},
    ]
    assert json.loads(second.since(second))["status"]["hosts"] == ([] if told == 2 else frame["hosts"])
