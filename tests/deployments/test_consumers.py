"""The socket of a live log: who is let in, what comes in which order, and when it ends."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels_redis.core import RedisChannelLayer
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, transaction
from django.utils import timezone

from deployments import consumers, lifecycle, live, log, page_socket, watching, words
from deployments.api.representation import deploys, represent
from deployments.consumers import LogConsumer
from deployments.models import Deploy
from deployments.states import DeployStatus
from environments.models import Token, User
from tests.builders import make_deploy, make_lines, make_run, make_token, make_user
from tests.deployments.readers import close_readers
from tests.deployments.scene import Scene
from tests.deployments.sockets import ORIGIN, Socket, opened
from tests.patience import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey"), pytest.mark.both_databases]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_no_such_deploy(scene: Scene) -> None:
    async with opened(987654, scene.token) as socket:
        assert await socket.frame() == {"close": 4404}


@pytest.mark.parametrize(
    "query",
    [
        "from=0",
        "from=-1",
        "from=x",
        "from=",
        "from=1&from=2",
        f"from={2**63}",
        "from=1.0",
        "host=a%20b",
        "host=..",
        "last=0",
        "last=1&last=2",
        "page=2",
        "x=1",
    ],
)
async def test_a_wrong_parameter_ends_it(query: str, scene: Scene) -> None:
    async with opened(scene.deploy.pk, scene.token, "?" + query) as socket:
        assert await socket.frame() == {"close": 4400}


async def test_one_person_has_so_many_logs_open_and_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MOST_LOGS", 2)
    deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
    another = await sync_to_async(make_token)()
    async with opened(deploy.pk, scene.token), opened(deploy.pk, scene.token):
        async with opened(deploy.pk, scene.token) as third:
            assert await third.frame() == {"close": 4429}
        async with opened(deploy.pk, another) as of_somebody_else:
            assert "status" in await of_somebody_else.frame()
    async with opened(deploy.pk, scene.token) as again:
        assert "status" in await again.frame()


async def test_status_then_all_lines_then_the_end(scene: Scene) -> None:
    async with opened(scene.deploy.pk, scene.token) as socket:
        frames = [frame async for frame in socket.frames()]
    first, *middle, end, close = frames
    deploy = await deploys().aget(pk=scene.deploy.pk)
    assert first == {"status": await sync_to_async(represent)(deploy)}
    lines = [line for frame in middle for line in frame["lines"]]
    assert [line["n"] for line in lines] == list(range(1, 1801))
    assert [line["text"] for line in lines] == scene.texts
    assert set(lines[0]) == {"n", "host", "at", "stream", "text"}
    sha256 = hashlib.sha256("".join(text + "\n" for text in scene.texts).encode()).hexdigest()
    assert end == {"end": {"status": "succeeded", "lines": 1800, "sha256": sha256}}
    assert close == {"close": 1000}


@pytest.mark.parametrize(("start", "count"), [(1, 1800), (2, 1799), (301, 1500), (1800, 1), (1801, 0), (10**15, 0)])
async def test_it_begins_where_one_asks(start: int, count: int, scene: Scene) -> None:
    async with opened(scene.deploy.pk, scene.token, f"?from={start}") as socket:
        frames = [frame async for frame in socket.frames()]
    ns = [line["n"] for frame in frames for line in frame.get("lines", [])]
    assert ns == list(range(start, start + count))
    assert frames[-2]["end"]["lines"] == 1800


async def test_one_host_only(scene: Scene) -> None:
    async with opened(scene.deploy.pk, scene.token, "?host=web1&from=400") as socket:
        lines = [line async for frame in socket.frames() for line in frame.get("lines", [])]
    assert {line["host"] for line in lines} == {"web1"}
    assert [line["n"] for line in lines] == [*range(400, 601), *range(901, 1201), *range(1501, 1801)]


@pytest.mark.parametrize(
    ("query", "first"),
    [("last=1", 1701), ("last=640", 1101), ("last=2000", 1), ("last=100&from=1750", 1750), ("last=100&from=3", 1701)],
)
async def test_who_wants_the_last_lines_is_not_sent_the_others(query: str, first: int, scene: Scene) -> None:
    async with opened(scene.deploy.pk, scene.token, "?" + query) as socket:
        lines = [line async for frame in socket.frames() for line in frame.get("lines", [])]
    assert [line["n"] for line in lines] == list(range(first, 1801))


async def test_who_falls_behind_and_wants_the_last_lines_leaves_out_the_rest(scene: Scene) -> None:
    deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
    await sync_to_async(log.say)(deploy, "first")
    async with opened(deploy.pk, scene.token, "?last=500") as socket:
        while "lines" not in await socket.frame():
            pass
        await sync_to_async(store_many)(deploy)
        while "lines" not in (frame := await socket.frame()):
            pass
    assert frame["lines"][0]["n"] == 2501


class TestWhoIsWatching:
    async def watching(self, socket: Socket) -> list[str]:
        while "watching" not in (frame := await socket.frame()):
            pass
        names: list[str] = frame["watching"]
        return names

    async def test_each_page_is_told_who_else_has_it_open(self, scene: Scene) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        ada = await sync_to_async(make_user)(username="ada", first_name="Ada", last_name="Nwosu")
        token = await sync_to_async(make_token)(user=ada)
        async with opened(deploy.pk, scene.token, "?page=1") as first:
            assert await self.watching(first) == ["vera"]
            async with opened(deploy.pk, token, "?page=1"), opened(deploy.pk, token, "?page=1") as third:
                assert await self.watching(first) == ["Ada Nwosu", "vera"]
                assert await self.watching(third) == ["Ada Nwosu", "vera"]
            assert await self.watching(first) == ["vera"]

    async def test_a_program_that_reads_the_log_is_nobody_who_watches(self, scene: Scene) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        async with opened(deploy.pk, scene.token) as program:
            assert "status" in await program.frame()
            await sync_to_async(log.say)(deploy, "word")
            while "lines" not in (frame := await program.frame()):
                assert "watching" not in frame

    async def test_those_of_another_process_are_shown_and_go_when_nothing_is_said_of_them(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "GONE_SECONDS", 3.0)
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        layer = RedisChannelLayer([settings.REDIS_URL], prefix="deployer")  # as another process has one
        there = {"type": "deploy.word", "from": "elsewhere", "people": {"bob": "Bob Ito"}, "ask": True}
        async with opened(deploy.pk, scene.token, "?page=1") as socket:
            assert await self.watching(socket) == ["vera"]
            heard = await layer.new_channel()
            await layer.group_add(live.group(deploy.pk), heard)
            while True:
                await layer.group_send(live.group(deploy.pk), there)
                if await self.watching(socket) == ["Bob Ito", "vera"]:
                    break
            answer = await layer.receive(heard)
            while answer["from"] == "elsewhere":
                answer = await layer.receive(heard)
            assert answer["people"] == {"vera": "vera"}
            assert await self.watching(socket) == ["vera"]
        await layer.close_pools()


async def test_frames_are_bounded(scene: Scene) -> None:
    texts = [f"{n} " + "\x1b" * 20_000 + "ü" * 20_000 for n in range(20)]
    await sync_to_async(make_lines)(deploy=scene.deploy, texts=texts)
    async with opened(scene.deploy.pk, scene.token) as socket:
        sizes, batches = [], []
        while "lines" in (frame := await socket.frame()) or "status" in frame:
            sizes.append(socket.size)
            batches += [frame["lines"]] if "lines" in frame else []
    assert max(map(len, batches)) == 500
    assert max(sizes) <= 256 * 1024
    assert sum(map(len, batches)) == 1820


async def test_a_line_is_told_by_word_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody looking by the clock, only the channel layer can bring it."""
    monkeypatch.setattr(words, "LOOK_SECONDS", 3600)
    monkeypatch.setattr(words, "RETRY_SECONDS", 3600)
    monkeypatch.setattr(words, "LAYER_SECONDS", PATIENCE)
    monkeypatch.setattr("notifications.live.SEND_SECONDS", PATIENCE)
    monkeypatch.setattr(consumers, "PERMIT_SECONDS", 3600)
    deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
    async with opened(deploy.pk, scene.token) as socket:
        assert (await socket.frame())["status"]["status"] == "running"
        for n in range(1, 6):
            await sync_to_async(log.say)(deploy, f"word {n}")
            while "lines" not in (frame := await socket.frame()):
                pass
            assert [line["text"] for line in frame["lines"]] == [f"word {n}"]
        await sync_to_async(lifecycle.end)(deploy, DeployStatus.SUCCEEDED, "Done.")
        rest = [frame async for frame in socket.frames()]
    assert [line["text"] for frame in rest for line in frame.get("lines", [])] == ["Done."]
    assert [frame["status"]["status"] for frame in rest if "status" in frame][-1] == "succeeded"
    assert rest[-2]["end"]["lines"] == 6
    assert rest[-1] == {"close": 1000}


async def test_the_status_is_told_a_few_times_a_second_and_the_last_always(scene: Scene) -> None:
    deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
    run = await sync_to_async(make_run)(deploy=deploy, status="preparing")
    async with opened(deploy.pk, scene.token) as socket:
        frames = [await socket.frame()]
        begun = asyncio.get_running_loop().time()
        for n in range(60):
            await sync_to_async(change)(run, f"step {n}")
        await sync_to_async(lifecycle.end)(deploy, DeployStatus.FAILED, "It failed.")
        frames += [frame async for frame in socket.frames()]
        took = asyncio.get_running_loop().time() - begun
    statuses = [frame["status"] for frame in frames if "status" in frame]
    assert len(statuses) <= 3 + took / consumers.STATUS_SECONDS
    assert (statuses[-1]["status"], statuses[-1]["hosts"][0]["step"]) == ("failed", "step 59")


def store_many(deploy: Deploy) -> None:
    with transaction.atomic():  # as a recorder does
        make_lines(deploy=deploy, texts=["more"] * 3000)
    live.announce(deploy.pk, n=3001)


def change(run: Any, step: str) -> None:
    type(run).objects.filter(pk=run.pk).update(step=step)
    live.announce(run.deploy_id, changed=True)


class TestPermissionWhileOpen:
    """Asked again and again: a right that is taken away closes what it opened."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(consumers, "PERMIT_SECONDS", 0.05)

    async def take_away(self, scene: Scene, headers: list[tuple[bytes, bytes]], what: Any) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        socket = Socket(f"/ws/deploys/{deploy.pk}/log", *headers)
        assert await socket.open() == (True, None)
        assert "status" in await socket.frame()
        await sync_to_async(what)()
        assert [frame async for frame in socket.frames()][-1] == {"close": 4403}

    async def test_a_user_is_disabled(self, scene: Scene) -> None:
        await self.take_away(scene, [scene.bearer], lambda: User.objects.update(is_active=False))

    async def test_a_token_is_revoked(self, scene: Scene) -> None:
        await self.take_away(scene, [scene.bearer], lambda: Token.objects.all().delete())

    async def test_someone_signs_out(self, scene: Scene) -> None:
        await self.take_away(scene, [scene.cookie, ORIGIN], lambda: Session.objects.all().delete())

    async def test_a_session_expires(self, scene: Scene) -> None:
        await self.take_away(scene, [scene.cookie, ORIGIN], lambda: Session.objects.update(expire_date=timezone.now()))

    async def test_a_password_is_changed(self, scene: Scene) -> None:
        def change_password() -> None:
            scene.user.set_password("another")
            scene.user.save()

        await self.take_away(scene, [scene.cookie, ORIGIN], change_password)

    async def test_it_stays_open_while_the_right_stays(self, scene: Scene) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        async with opened(deploy.pk, scene.token) as socket:
            for n in range(5):
                await sync_to_async(log.say)(deploy, str(n))
                while "lines" not in await socket.frame():
                    pass


async def test_whoever_talks_to_it_is_cut_off(scene: Scene) -> None:
    deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
    async with opened(deploy.pk, scene.token) as socket:
        await socket.communicator.send_to(text_data=json.dumps({"hello": "there"}))
        assert [frame async for frame in socket.frames()][-1] == {"close": 4400}


async def test_a_log_that_breaks_says_so_and_can_be_asked_for_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogConsumer, "_still_permitted", broken)
    async with opened(scene.deploy.pk, scene.token) as socket:
        assert await socket.frame() == {"close": 4500}


async def broken(self: LogConsumer) -> bool:
    raise OperationalError("database is locked")


@pytest.mark.parametrize("module", [consumers, page_socket])
def test_a_socket_closes_with_codes_that_an_application_may_send(module: ModuleType) -> None:
    """The server refuses others, and leaves the reader without an answer."""
    text = Path(module.__file__ or "").read_text()
    codes = {int(code) for code in re.findall(r"(?:code ?= ?|return )(\d{4})\b", text)}
    assert {4400, 4403, 4408, 4429, 4500} <= codes
    assert all(code == 1000 or 3000 <= code <= 4999 for code in codes)


async def test_many_who_read_the_same_cost_one_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def count(deploy_id: int, start: int = 1, **more: Any) -> list[log.Line]:
        reads.append(start)
        return original(deploy_id, start, **more)

    original = log.read
    monkeypatch.setattr(log, "read", count)

    async def read_all() -> int:
        async with opened(scene.deploy.pk, scene.token) as socket:
            return sum([len(frame.get("lines", [])) async for frame in socket.frames()])

    assert await asyncio.gather(*(read_all() for _ in range(20))) == [1800] * 20
    assert reads.count(1) == 1
