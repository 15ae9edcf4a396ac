"""R10: what answers for the web process is killed or stopped, again and again, while a log of 80,000 lines grows."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from deployer_site.web_process import STEADY_SECONDS
from tests.chaos.cluster import runs_of
from tests.deployments.readers import close_readers
from tests.deployments.web import Web
from tests.deployments.writer import Writer, check_whole
from tests.patience import within
from tests.processes import Processes

LINES, LINES_A_SECOND = 80_000, 2_000
BACK_SECONDS = 3.0
BROWSER_WAIT = 0.5  # the first wait of static/js/log.js

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True)
def _readers() -> Iterator[None]:
    yield
    close_readers()


class Reader:
    """A page that follows the log: it comes back, as browsers do, and goes on where it was."""

    def __init__(self, web: Web, writer: Writer) -> None:
        self._web, self._deploy = web, writer.deploy.pk
        self._headers = {"Authorization": f"Bearer {writer.token}"}
        self.lines: list[dict[str, Any]] = []
        self.end: dict[str, Any] = {}
        self.cut_at = 0.0
        self.away: list[float] = []

    async def read(self) -> None:
        while not self.end:
            address = self._web.address(f"/ws/deploys/{self._deploy}/log?from={len(self.lines) + 1}")
            try:
                async with connect(address, additional_headers=self._headers, max_size=1 << 20) as socket:
                    async for said in socket:
                        self._take(json.loads(said))
            except (OSError, WebSocketException):
                pass
            if not self.end:
                await asyncio.sleep(BROWSER_WAIT)

    def _take(self, frame: dict[str, Any]) -> None:
        if self.cut_at:
            self.away.append(time.monotonic() - self.cut_at)
            self.cut_at = 0.0
        self.lines += frame.get("lines", [])
        self.end = frame.get("end", self.end)


async def _ask(web: Web, writer: Writer, answers: list[int]) -> None:
    """Requests all the time, each once more if it is cut, as whoever sends a hook does."""
    address = web.address(f"/api/v1/deploys/{writer.deploy.pk}").replace("ws://", "http://")
    headers = {"Authorization": f"Bearer {writer.token}"}
    while True:
        async with httpx.AsyncClient(timeout=30, headers=headers) as client:
            try:
                answers.append((await client.get(address)).status_code)
            except httpx.ConnectError:
                answers.append(0)
            except httpx.TransportError:
                answers.append((await client.get(address)).status_code)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_r10_what_answers_ends(processes: Processes, chance: random.Random, number: signal.Signals) -> None:
    web = Web(processes)
    await asyncio.to_thread(within, web.answers, 60, "the web process")
    writer = await sync_to_async(Writer)(max(LINES, runs_of(5) * 16_000))
    reader, answers = Reader(web, writer), list[int]()
    writer.rest = 40 / LINES_A_SECOND
    writer.start()
    reading, asking = asyncio.create_task(reader.read()), asyncio.create_task(_ask(web, writer, answers))
    kills = runs_of(5)
    for _ in range(kills):
        await asyncio.sleep(STEADY_SECONDS)  # what dies sooner is started again by the supervisor, with a pause
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        reader.cut_at = time.monotonic()
        os.kill(web.answering, number)
        while reader.cut_at:
            assert time.monotonic() - reader.cut_at < 60, "the reader did not come back"
            await asyncio.sleep(0.01)
        assert not reader.end, "the log was over before the last kill"
    writer.rest = 0.0
    await reading
    asking.cancel()
    await sync_to_async(writer.join)()
    assert writer.failure is None
    await sync_to_async(check_whole)(reader.lines, reader.end, writer)
    assert set(answers) == {200}, f"a request was refused or failed: {set(answers)}"
    web.stop()
    print(
        f"R10: {kills} times {number.name}: {len(reader.lines)} lines, no gap; readers were back within "
        f"{max(reader.away):.1f} s, {len(answers)} requests, none refused"
    )
    assert len(reader.away) == kills
    assert max(reader.away) <= BACK_SECONDS
