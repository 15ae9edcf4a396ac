"""R27: 200 viewers, 20 of which read nothing, beside a deploy that prints much: it is not slower, and they catch up."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deployments.models import Deploy
from tests.builders import make_token
from tests.chaos.cluster import Cluster, await_ends, over, runs_of
from tests.deployments.ended import request
from tests.deployments.fleet import eventually, step
from tests.deployments.readers import close_readers
from tests.deployments.test_live_log import shake_hands
from tests.deployments.web import Web

LINES, VIEWERS, STUCK = 300_000, 200, 20
REST = 15.0  # seconds before the first line, in which all viewers come
PAGE_WAIT = 0.5  # the first wait of static/js/log.js
PEOPLE = 40  # each has five pages open
MORE_TIME, CATCH_UP_SECONDS = 1.05, 5.0
ROUNDS = int(os.environ.get("CHAOS_ROUNDS") or 3)

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


class Seen(NamedTuple):
    """By the clock: when one viewer first heard anything, and when it knew the end; and which line was its last."""

    first: float
    end: float
    last: int


async def _view(web: Web, deploy: Deploy, token: str) -> Seen:
    """As a page does: the last lines, and how many there are."""
    first = 0.0
    start = 1
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        address = web.address(f"/ws/deploys/{deploy.pk}/log?from={start}&last=100&page=1")
        try:
            async with connect(address, additional_headers=headers, max_size=1 << 20, open_timeout=60) as reader:
                async for said in reader:
                    frame, first = json.loads(said), first or time.time()
                    for line in frame.get("lines", []):
                        assert line["n"] >= start
                        start = line["n"] + 1
                    if "end" in frame:
                        return Seen(first, time.time(), start - 1)
        except (InvalidStatus, ConnectionClosed, OSError):  # who comes with two hundred may have to come again
            await asyncio.sleep(PAGE_WAIT)


async def _watched(web: Web, deploy: Deploy, tokens: list[str], viewers: int, stuck: int) -> list[float]:
    """How long after the deploy's end each viewer knew of it, who all were there when it began to print."""
    path = f"/ws/deploys/{deploy.pk}/log?last=100&page=1"
    silent = [await sync_to_async(shake_hands)(web, path, tokens[0]) for _ in range(stuck)]
    looking = [asyncio.create_task(_view(web, deploy, tokens[n % len(tokens)])) for n in range(viewers)]
    while not await sync_to_async(over)(deploy):
        await asyncio.sleep(0.05)
    seen = await asyncio.gather(*looking)
    for sock in silent:
        sock.close()
    assert deploy.finished_at
    assert deploy.started_at
    printed = deploy.started_at.timestamp() + REST
    assert max(one.first for one in seen) <= printed, "Some viewers came too late to slow anything."
    await sync_to_async(deploy.refresh_from_db)()
    assert {one.last for one in seen} == {deploy.lines}
    return [one.end - deploy.finished_at.timestamp() for one in seen]


def _seconds(deploy: Deploy) -> float:
    assert deploy.finished_at
    assert deploy.started_at
    return (deploy.finished_at - deploy.started_at).total_seconds()


def test_r27_viewers_do_not_slow_a_deploy(cluster: Cluster) -> None:
    viewers, stuck = VIEWERS * runs_of(100) // 100, STUCK * runs_of(100) // 100
    flood = f"[ \"$DEPLOYER_REF\" = v1 ] || {{ sleep {REST:.0f}; seq -f '%.0f {'x' * 60}' 1 {LINES}; }}"
    (place,) = cluster.places(1, hosts=1, steps=[step("flood", flood, time_limit=600)])
    cluster.start(1)
    web = Web(cluster.processes)
    eventually(web.answers, 120, "the web process")
    tokens = [make_token() for _ in range(PEOPLE)]
    await_ends([request(place, "v1")], 120)
    alone, beside, late = [], [], []
    used = {"without": 0.0, "with": 0.0}
    for _ in range(ROUNDS):  # by turns, so that what else runs meets both alike
        began, deploy = web.processor_seconds(), request(place)
        await_ends([deploy], 300)
        used["without"] += web.processor_seconds() - began
        alone.append(_seconds(deploy))
        began, deploy = web.processor_seconds(), request(place)
        late += asyncio.run(_watched(web, deploy, tokens, viewers, stuck))
        used["with"] += web.processor_seconds() - began
        beside.append(_seconds(deploy))
    web.stop()
    slower = min(beside) / min(alone)
    print(
        f"R27: {viewers} viewers and {stuck} that read nothing: {min(alone):.1f} s without, {min(beside):.1f} s with "
        f"them ({100 * (slower - 1):+.1f} %), of that {min(alone) - REST:.1f} and {min(beside) - REST:.1f} s without "
        f"the rest before {LINES:,} lines; half of the viewers had the last line and knew the end after "
        f"{median(late):.1f} s, the last one after {max(late):.1f} s"
    )
    shares = used["without"] / sum(alone), used["with"] / sum(beside)
    print(f"R27: of a core the web process used {shares[0]:.2f} without them and {shares[1]:.2f} with them")
    assert max(late) <= CATCH_UP_SECONDS
    assert slower <= MORE_TIME
