"""A live log under load and in trouble: nothing lost, nothing twice, in order, whatever breaks in between."""

import base64
import hashlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels_redis.core import RedisChannelLayer
from django.conf import settings
from django.db import connection
from django.test import Client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deployer_site.valkey import find_binary, write_configuration
from deployments import claims, consumers, lifecycle, log, words
from deployments.log import Piece, Recorder
from deployments.models import Deploy, HostRun, Program
from deployments.models.logs import Stream
from deployments.states import DeployStatus, RunStatus
from tests.builders import make_deploy, make_lines, make_run, make_target, make_token, make_user
from tests.deployments.readers import close_readers
from tests.deployments.sockets import opened
from tests.deployments.web import Web, free_port
from tests.processes import Processes

Wait = Callable[[Callable[[], object], float], None]
LINES = 20_000
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.fixture
def web(processes: Processes, valkey: str, eventually: Wait, transactional_db: None) -> Iterator[Web]:
    started = Web(processes)
    eventually(started.answers, 30)
    yield started
    started.stop()


class Writer(threading.Thread):
    """A worker that stores the lines of two hosts, then ends the deploy."""

    def __init__(self, count: int) -> None:
        super().__init__(name="writer")
        self.count = count
        worker = claims.register()
        self.deploy: Deploy = make_deploy(target=make_target(), status=DeployStatus.RUNNING)
        self.runs: list[HostRun] = [
            make_run(deploy=self.deploy, status=RunStatus.PREPARING, claimed_by=worker, fence=fence) for fence in (1, 2)
        ]
        self.programs = [Program.objects.create(run=run, phase="prepare", nonce=str(run.pk)) for run in self.runs]
        self.token = make_token(user=make_user(role="viewer"))
        self.paused = threading.Event()
        self.paused.set()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
            lifecycle.end(self.deploy, DeployStatus.SUCCEEDED, "All is well.")
        except BaseException as failure:
            self.failure = failure
            raise
        finally:
            connection.close()

    def _write(self) -> None:
        recorder = Recorder(self.deploy.pk)
        offsets = [0, 0]
        for program in self.programs:
            recorder.begin(program, 0)
        written = 0
        while written < self.count:
            self.paused.wait(30)
            which = written // 40 % 2
            texts = [f"\x1b[32mline {n} of the log ü\x1b[0m" for n in range(written, min(written + 40, self.count))]
            written += len(texts)
            offsets[which] += sum(len(text.encode()) + 1 for text in texts)
            piece = Piece(self.runs[which], self.programs[which], Stream.OUTPUT, texts, offsets[which])
            recorder.add(piece)
        for run in self.runs:
            recorder.flush(run)
        recorder.close()


def check_whole(lines: list[dict[str, Any]], end: dict[str, Any], writer: Writer) -> None:
    """What a reader got in all its connections is exactly what is stored."""
    assert [line["n"] for line in lines] == list(range(1, writer.count + 2))
    stored = list(log.read_all(writer.deploy.pk))
    assert [(line["text"], line["host"]) for line in lines] == [(line.text, line.host) for line in stored]
    for run in writer.runs:
        of_host = [int(line["text"].split()[1]) for line in lines if line["host"] == run.host_name]
        assert of_host == sorted(of_host)
    sha256 = hashlib.sha256("".join(line["text"] + "\n" for line in lines).encode()).hexdigest()
    assert end == {"status": "succeeded", "lines": writer.count + 1, "sha256": sha256}


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


class TestLayer:
    """The channel layer is a bell; without it, readers look by themselves."""

    @pytest.fixture(autouse=True)
    def _only_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(consumers, "PERMIT_SECONDS", 3600)
        monkeypatch.setattr(words, "LOOK_SECONDS", 3600)
        monkeypatch.setattr(words, "RETRY_SECONDS", 0.05)

    async def test_it_was_never_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{free_port()}"])
        monkeypatch.setattr(words, "get_channel_layer", lambda: layer)
        writer = await sync_to_async(Writer)(500)
        async with opened(writer.deploy.pk, writer.token) as reader:
            assert "status" in await reader.frame()
            writer.start()
            frames = [frame async for frame in reader.frames()]
        writer.join()
        lines = [line for frame in frames for line in frame.get("lines", [])]
        await sync_to_async(check_whole)(lines, frames[-2]["end"], writer)

    async def test_all_who_watch_share_one_ear(self, valkey: str) -> None:
        deploy = await sync_to_async(make_deploy)(status=DeployStatus.RUNNING)
        token = await sync_to_async(make_token)()
        async with AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(opened(deploy.pk, token)) for _ in range(30)]
            for reader in readers:
                assert "status" in await reader.frame()
            await sync_to_async(log.say)(deploy, "to all of you")
            assert [await texts_of(reader) for reader in readers] == [["to all of you"]] * 30
            assert listeners(valkey, deploy.pk) == 1
        assert not words._ears

    async def test_it_dies_in_between_and_comes_back(
        self,
        processes: Processes,
        tmp_path: Path,
        eventually: Wait,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        url = f"redis://:secret@127.0.0.1:{free_port()}"
        server = processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
        await sync_to_async(eventually)(lambda: answers(url), 10)
        layer = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": None}], prefix="deployer")
        monkeypatch.setattr(words, "get_channel_layer", lambda: layer)
        deploy = await sync_to_async(make_deploy)(
            target=await sync_to_async(make_target)(), status=DeployStatus.RUNNING
        )
        token = await sync_to_async(make_token)()
        async with opened(deploy.pk, token) as reader:
            assert "status" in await reader.frame()
            server.kill()
            server.wait(10)
            await sync_to_async(log.say)(deploy, "while it is dead")
            assert await texts_of(reader) == ["while it is dead"]
            processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
            await sync_to_async(eventually)(lambda: answers(url), 10)
            await sync_to_async(eventually)(lambda: listeners(url, deploy.pk) == 1, 10)
            await sync_to_async(make_lines)(deploy=deploy, texts=["by word again"])
            await layer.group_send(f"deploy-{deploy.pk}", {"type": "deploy.word", "n": 2, "changed": False})
            assert await texts_of(reader) == ["by word again"]


async def texts_of(reader: Any) -> list[str]:
    while "lines" not in (frame := await reader.frame()):
        assert "close" not in frame
    return [line["text"] for line in frame["lines"]]


def answers(url: str) -> bool:
    client = redis.Redis.from_url(url)
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
    finally:
        client.close()


def listeners(url: str, deploy_id: int) -> int:
    client = redis.Redis.from_url(url)
    try:
        found: Any = client.zcard(f"deployer:group:deploy-{deploy_id}")
        return int(found)
    finally:
        client.close()
