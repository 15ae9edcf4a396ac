"""A live log under load and in trouble: nothing lost, nothing twice, in order, whatever breaks in between."""

import base64
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deployments.states import DeployStatus
from tests.builders import make_deploy, make_lines, make_token, make_user
from tests.deployments.readers import close_readers
from tests.deployments.web import Web
from tests.deployments.writer import Writer, check_whole
from tests.patience import Wait
from tests.processes import Processes

LINES = 20_000
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.fixture
def web(processes: Processes, valkey: str, eventually: Wait, transactional_db: None) -> Iterator[Web]:
    started = Web(processes)
    eventually(started.answers)
    yield started
    started.stop()


@pytest.mark.both_databases
async def test_a_reader_that_comes_back_seven_times_gets_every_line_once(web: Web) -> None:
    writer = await sync_to_async(Writer)(LINES)
    lines: list[dict[str, Any]] = []
    end: dict[str, Any] = {}
    reconnects = 0
    writer.start()
    while not end:
        leave_at = (reconnects + 1) * LINES // 9 if reconnects < 7 else None
        address = web.address(f"/ws/deploys/{writer.deploy.pk}/log?from={len(lines) + 1}")
        headers = {"Authorization": f"Bearer {writer.token}"}
        async with connect(address, additional_headers=headers, max_size=1 << 20) as reader:
            async for said in reader:
                frame = json.loads(said)
                lines += frame.get("lines", [])
                end = frame.get("end", end)
                if leave_at and len(lines) >= leave_at:
                    reader.transport.abort()  # as a laptop that is shut
                    reconnects += 1
                    break
        if end:
            assert reader.close_code == 1000
    writer.join()
    assert writer.failure is None
    assert reconnects == 7
    await sync_to_async(check_whole)(lines, end, writer)


async def test_a_reader_of_one_host_gets_only_its_lines(web: Web) -> None:
    writer = await sync_to_async(Writer)(2_000)
    writer.start()
    host = writer.runs[1].host_name
    address = web.address(f"/ws/deploys/{writer.deploy.pk}/log?host={host}")
    async with connect(address, additional_headers={"Authorization": f"Bearer {writer.token}"}) as reader:
        frames = [json.loads(said) async for said in reader]
    writer.join()
    lines = [line for frame in frames for line in frame.get("lines", [])]
    assert {line["host"] for line in lines} == {host}
    assert len(lines) == 1_000


async def test_over_the_network_a_stranger_gets_403(web: Web) -> None:
    deploy = await sync_to_async(make_deploy)()
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(web.address(f"/ws/deploys/{deploy.pk}/log"), origin="https://evil.example"):  # type: ignore[arg-type]
            pass
    assert refusal.value.response.status_code == 403


async def test_a_browser_is_let_in_by_its_session(web: Web) -> None:
    deploy = await sync_to_async(make_deploy)()
    client = Client()
    await sync_to_async(client.force_login)(await sync_to_async(make_user)(role="viewer"))
    cookie = f"deployer-{web.port}-session={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    own: Any = f"http://127.0.0.1:{web.port}"
    address = web.address(f"/ws/deploys/{deploy.pk}/log")
    async with connect(address, origin=own, additional_headers={"Cookie": cookie}) as reader:
        frames = [json.loads(said) async for said in reader]
    assert [next(iter(frame)) for frame in frames] == ["status", "end"]


async def test_a_large_message_from_a_browser_ends_it(web: Web) -> None:
    deploy = await sync_to_async(make_deploy)(status=DeployStatus.RUNNING)
    token = await sync_to_async(make_token)()
    address = web.address(f"/ws/deploys/{deploy.pk}/log")
    async with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as reader:
        await reader.recv()
        with suppress(ConnectionClosed):
            await reader.send("x" * 100_000)
        await reader.wait_closed()
    assert reader.close_code == 1009


def shake_hands(web: Web, path: str, token: str) -> socket.socket:
    """A socket that has asked for a log, and then reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", web.port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{web.port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}", "", ""]
    sock.sendall("\r\n".join(lines).encode())
    assert sock.recv(12) == b"HTTP/1.1 101"
    return sock


async def test_readers_that_take_nothing_cost_no_memory_and_disturb_nobody(web: Web) -> None:
    """20 stuck readers of a log of 30 MB: held back at their sockets, not in our memory."""
    deploy = await sync_to_async(make_deploy)()
    token = await sync_to_async(make_token)()
    for _ in range(60):
        await sync_to_async(make_lines)(deploy=deploy, texts=["x" * 500 for _ in range(1000)])
    path = f"/ws/deploys/{deploy.pk}/log"
    headers = {"Authorization": f"Bearer {token}"}

    async def read_all() -> int:
        count = 0
        async with connect(web.address(path), additional_headers=headers, max_size=1 << 20) as reader:
            async for said in reader:
                count += len(json.loads(said).get("lines", []))
        return count

    assert await read_all() == 60_000
    before = web.resident()
    stuck = [await sync_to_async(shake_hands)(web, path, token) for _ in range(20)]
    assert await read_all() == 60_000
    grown = web.resident() - before
    for sock in stuck:
        sock.close()
    assert grown < 60_000_000, f"The web process grew by {grown / 1e6:.0f} MB."
