"""R10: the web process is killed and started again while a log of 80,000 lines grows."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.chaos.cluster import runs_of
from tests.deployments.fleet import eventually
from tests.deployments.readers import close_readers
from tests.deployments.web import Web
from tests.deployments.writer import Writer, check_whole
from tests.processes import Processes

LINES = 80_000
BACK_SECONDS = 3.0

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True)
def _readers() -> Iterator[None]:
    yield
    close_readers()


async def test_r10_the_web_process_is_killed(processes: Processes, chance: random.Random) -> None:
    web = Web(processes)
    eventually(web.answers, 60, "the web process")
    writer = await sync_to_async(Writer)(LINES)
    lines: list[dict[str, Any]] = []
    longest, kills, end = 0.0, 0, dict[str, Any]()
    writer.start()
    headers = {"Authorization": f"Bearer {writer.token}"}
    while not end:
        address = f"/ws/deploys/{writer.deploy.pk}/log?from={len(lines) + 1}"
        leave_at = time.monotonic() + chance.uniform(0.2, 1.5)
        try:
            async with connect(web.address(address), additional_headers=headers, max_size=1 << 20) as reader:
                async for said in reader:
                    frame = json.loads(said)
                    lines += frame.get("lines", [])
                    end = frame.get("end", end)
                    if kills < runs_of(5) and time.monotonic() > leave_at:
                        web.process.kill()
                        web.process.wait()
                        kills += 1
        except (OSError, WebSocketException):
            pass
        if web.process.poll() is not None:
            web = Web(processes, port=web.port)
            await asyncio.to_thread(eventually, web.answers, 60, "the web process")
            began = time.monotonic()
            async with connect(web.address(address), additional_headers=headers, max_size=1 << 20) as reader:
                await reader.recv()
            longest = max(longest, time.monotonic() - began)
    writer.join()
    assert writer.failure is None
    await sync_to_async(check_whole)(lines, end, writer)
    async with httpx.AsyncClient() as client:
        answer = await client.get(web.address("/healthz").replace("ws://", "http://"))
    assert answer.status_code == 200
    web.stop()
    assert longest <= BACK_SECONDS
    print(f"R10: {kills} kills of the web process: {len(lines)} lines, no gap; going on within {longest:.1f} s")
