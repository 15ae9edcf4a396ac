"""R22, R32: two hundred ask at once for one target; a rollback finds that a host has lost the release."""

import asyncio
import json
import os
import shutil
import time
from collections import Counter

import pytest

from deployments import lifecycle
from deployments.models import Deploy
from deployments.states import ACTIVE
from tests.builders import make_token
from tests.chaos.cluster import runs_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request
from tests.deployments.fleet import Driver, FleetTarget
from tests.deployments.web import Web
from tests.patience import within
from tests.processes import Processes

AT_ONCE = 200
P95_SECONDS = 3.0

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.both_databases
def test_r22_of_two_hundred_one_becomes_active(
    make_place: MakeFleetTarget, processes: Processes, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_place(hosts=2)
    end(request(place))
    monkeypatch.setenv("REPOSITORY_ROOTS", str(place.repository.path.parent.parent))
    web = Web(processes)
    within(web.answers, 60, "the web process")
    token = make_token(user=place.by)
    slowest: list[float] = []
    used = web.processor_seconds()
    for _ in range(runs_of(50)):
        answers = asyncio.run(_ask_all(web, place, token))
        assert Counter(code for code, _ in answers) == {201: 1, 409: AT_ONCE - 1}
        slowest.append(sorted(seconds for _, seconds in answers)[int(AT_ONCE * 0.95)])
        (active,) = Deploy.objects.filter(target=place.target, status__in=ACTIVE)
        end(active)
    cost = (web.processor_seconds() - used) / (runs_of(50) * AT_ONCE) * 1000
    web.stop()
    told = f"R22: {runs_of(50)} x {AT_ONCE} requests at once: 1 became active each time"
    print(f"{told}, p95 {max(slowest):.1f} s, {cost:.1f} ms of the processor each")
    assert max(slowest) <= P95_SECONDS


async def _ask_all(web: Web, place: FleetTarget, token: str) -> list[tuple[int, float]]:
    """Status and seconds of each. Written by hand: a client that costs as much as the server would be what is timed."""
    body = json.dumps({"ref": "main"}).encode()
    head = (
        f"POST /api/v1/targets/{place.target.slug}/deploys HTTP/1.1",
        f"Host: 127.0.0.1:{web.port}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    request = "\r\n".join((*head, "", "")).encode() + body

    async def ask() -> tuple[int, float]:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return int(answer.split(None, 2)[1]), time.monotonic() - began

    return await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(AT_ONCE))), 60)


def test_r32_a_rollback_to_what_a_host_has_lost(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3)
    first = driver.run_to_end(request(place, "v1"))
    driver.run_to_end(request(place))
    assert first.release is not None
    shutil.rmtree(place.roots()[1] / "releases" / first.release.name)
    back = driver.run_to_end(lifecycle.roll_back(place.target, by=place.by))
    assert back.status == "succeeded", back.reason
    assert {os.readlink(root / "current") for root in place.roots()} == {f"releases/{first.release.name}"}
    assert all((root / "current/index.html").read_text() == "<h1>one</h1>\n" for root in place.roots())
    print("R32: 1 of 3 hosts had lost the release: it got it anew, and all three run the same one")
