"""The channel layer is a bell; what it cannot bring, a reader finds by itself."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels_redis.core import RedisChannelLayer

from deployer_site.valkey import find_binary, write_configuration
from deployments import consumers, log, words
from deployments.states import DeployStatus
from tests.builders import make_deploy, make_lines, make_target, make_token
from tests.deployments.readers import close_readers
from tests.deployments.sockets import opened
from tests.deployments.web import free_port
from tests.deployments.writer import Writer, check_whole
from tests.patience import Wait
from tests.processes import Processes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


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
        await sync_to_async(eventually)(lambda: answers(url))
        layer = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": None}], prefix="deployer")
        monkeypatch.setattr(words, "get_channel_layer", lambda: layer)
        deploy = await sync_to_async(make_deploy)(
            target=await sync_to_async(make_target)(), status=DeployStatus.RUNNING
        )
        token = await sync_to_async(make_token)()
        async with opened(deploy.pk, token) as reader:
            assert "status" in await reader.frame()
            server.kill()
            server.wait(60)
            await sync_to_async(log.say)(deploy, "while it is dead")
            assert await texts_of(reader) == ["while it is dead"]
            processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
            await sync_to_async(eventually)(lambda: answers(url))
            await sync_to_async(eventually)(lambda: listeners(url, deploy.pk) == 1)
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
