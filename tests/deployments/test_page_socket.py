"""The socket of an open page: who is let in, which words it hears, and what it does when none come."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer
from django.conf import settings

from deployments import page_socket, page_words, words
from deployments.pulse import Pulse, read_pulse
from deployments.states import DeployStatus, RunStatus
from environments.models import User
from notifications import events, live
from tests.builders import make_deploy, make_run
from tests.deployments.readers import close_readers
from tests.deployments.scene import Scene
from tests.deployments.sockets import ORIGIN, Socket, topics_taken, viewers
from tests.deployments.web import free_port
from tests.patience import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
GROUP = "deployer:group:pages"
# What a page of another site, a file, a neighbour or a page without TLS says of itself; and what no browser leaves out.
FOREIGN = {
    "another site": ("https://deployer.example", "https://evil.example"),
    "no origin": ("https://deployer.example", None),
    "null": ("https://deployer.example", "null"),
    "a sub-domain": ("https://deployer.example", "https://evil.deployer.example"),
    "the domain above": ("https://deployer.example", "https://example"),
    "without TLS": ("https://deployer.example", "http://deployer.example"),
    "with TLS, where we have none": ("http://deployer.example", "https://deployer.example"),
    "another port": ("https://deployer.example", "https://deployer.example:8443"),
}
SOCKETS = ("/ws/page", "/ws/deploys/{}/log")


@pytest.fixture(autouse=True, scope="module")
def _readers() -> Iterator[None]:
    yield
    close_readers()


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def _only_words(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks by the clock, and nobody of an earlier test is in the group."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.delete(GROUP)
    client.close()
    monkeypatch.setattr(words, "LOOK_SECONDS", 3600)
    monkeypatch.setattr(words, "RETRY_SECONDS", 3600)
    monkeypatch.setattr(words, "LAYER_SECONDS", PATIENCE)
    monkeypatch.setattr(live, "SEND_SECONDS", PATIENCE)
    monkeypatch.setattr(page_socket, "PERMIT_SECONDS", 3600)


@asynccontextmanager
async def page(scene: Scene, *topics: str) -> AsyncIterator[Socket]:
    """An open page that has said its topics, once this process listens."""
    socket = Socket("/ws/page", scene.cookie, ORIGIN)
    assert await socket.open() == (True, None)
    await socket.communicator.send_json_to({"topics": list(topics)})
    try:
        yield socket
    finally:
        await socket.close()


async def listening() -> None:
    """Until the ear of this process is in the group: before that only a look could tell; and all have said topics."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    try:
        async with asyncio.timeout(PATIENCE):
            while not client.zcard(GROUP):
                await asyncio.sleep(0.01)
    finally:
        client.close()
    await topics_taken()


async def is_silent(socket: Socket) -> bool:
    return bool(await socket.communicator.receive_nothing(timeout=0.5))


async def tell(kind: str = "deploy.requested", **facts: Any) -> None:
    await sync_to_async(events.record)(kind, **facts)


@pytest.mark.usefixtures("_only_words")
class TestWords:
    async def test_an_event_is_told_to_pages_that_show_what_it_is_about(self, scene: Scene) -> None:
        async with page(scene, "target/shop/staging") as socket, page(scene, "event") as other:
            await listening()
            await tell(application="shop", environment="production")
            assert "look" in await other.frame()
            assert await is_silent(socket)
            await tell(application="shop", environment="staging")
            assert "look" in await socket.frame()

    async def test_what_is_said_before_a_page_has_told_its_topics_is_not_lost(self, scene: Scene) -> None:
        async with page(scene, "event") as told:
            await listening()
            new = Socket("/ws/page", scene.cookie, ORIGIN)
            await new.open()
            while len(viewers()) < 2:
                await asyncio.sleep(0.01)
            await tell(application="shop", environment="staging")
            assert "look" in await told.frame()
            assert "look" in await new.frame()
            await new.close()

    async def test_a_move_of_a_host_is_told_to_who_watches_its_deploy(self, scene: Scene) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        async with page(scene, f"deploy/{deploy.pk}") as socket:
            await listening()
            await sync_to_async(live.changed)("deploys", f"deploy/{deploy.pk}")
            assert "look" in await socket.frame()

    async def test_many_words_are_told_as_few(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page_socket, "LOOK_SECONDS", 2)
        async with page(scene, "event") as socket:
            await listening()
            begun = asyncio.get_running_loop().time()
            for _ in range(20):
                await get_channel_layer().group_send("pages", {"type": "word", "event": 1})
            took = asyncio.get_running_loop().time() - begun
            await socket.frame()
            told = 1
            while not await is_silent(socket):
                await socket.frame()
                told += 1
            assert told <= 2 + took / 2

    async def test_new_topics_take_the_place_of_the_old(self, scene: Scene) -> None:
        async with page(scene, "host/web-1") as socket:
            await listening()
            await socket.communicator.send_json_to({"topics": ["host/web-2"]})
            while await is_silent(socket):  # until they are taken
                await tell("host.drifted", host="web-2")
            assert "look" in await socket.frame()
            while not await is_silent(socket):
                await socket.frame()
            await tell("host.drifted", host="web-1")
            assert await is_silent(socket)


@pytest.mark.usefixtures("_only_words")
class TestWhatWaits:
    async def test_the_number_is_told_when_it_is_not_the_one_that_is_shown(self, scene: Scene) -> None:
        async with page(scene) as silent, page(scene) as socket:
            await socket.communicator.send_json_to({"topics": [], "waiting": 0})
            await listening()
            deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.WAITING)
            await tell(deploy=deploy.pk)
            assert await socket.frame() == {"waiting": 1}
            await tell()
            assert await is_silent(socket)
            await sync_to_async(deploy.delete)()
            await tell()
            assert await socket.frame() == {"waiting": 0}
            assert await is_silent(silent)

    async def test_a_page_that_comes_back_is_told_what_it_missed(self, scene: Scene) -> None:
        await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.WAITING)
        async with page(scene) as socket:
            await socket.communicator.send_json_to({"topics": [], "waiting": 4})
            assert await socket.frame() == {"waiting": 1}


class TestWithoutWords:
    """With the layer down the database is looked at, by one look for all pages."""

    @pytest.fixture(autouse=True)
    def _no_layer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{free_port()}"])
        monkeypatch.setattr(words, "get_channel_layer", lambda: layer)
        monkeypatch.setattr(words, "RETRY_SECONDS", 0.1)

    @pytest.fixture(autouse=True)
    def looks(self, monkeypatch: pytest.MonkeyPatch) -> list[Pulse]:
        """What was found, look by look."""
        found: list[Pulse] = []

        def look() -> Pulse:
            found.append(read_pulse())
            return found[-1]

        monkeypatch.setattr(page_words, "read_pulse", look)
        return found

    async def more(self, looks: list[Pulse]) -> None:
        """Until it was looked again, and what came of the look before is known."""
        before = len(looks)
        async with asyncio.timeout(PATIENCE):
            while len(looks) < before + 2:
                await asyncio.sleep(0.01)

    async def test_an_event_is_found(self, scene: Scene, looks: list[Pulse]) -> None:
        async with page(scene, "target/shop/staging") as socket:
            await self.more(looks)
            assert await is_silent(socket)
            await tell(application="shop", environment="staging")
            assert "look" in await socket.frame()

    async def test_the_move_of_a_host_is_found(self, scene: Scene, looks: list[Pulse]) -> None:
        deploy = await sync_to_async(make_deploy)(target=scene.deploy.target, status=DeployStatus.RUNNING)
        run = await sync_to_async(make_run)(deploy=deploy, status=RunStatus.PREPARING)
        async with page(scene, "deploys") as socket:
            await self.more(looks)
            await sync_to_async(type(run).objects.filter(pk=run.pk).update)(status=RunStatus.PREPARED)
            assert "look" in await socket.frame()

    async def test_nothing_is_told_while_nothing_changes(self, scene: Scene, looks: list[Pulse]) -> None:
        async with page(scene, "event", "deploys") as socket:
            for _ in range(3):
                await self.more(looks)
            assert await is_silent(socket)


class TestOrigin:
    """Browsers send our cookie with whatever page asks: who asks is told by the Origin alone."""

    @pytest.fixture(autouse=True)
    def _host(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["deployer.example"]

    @pytest.mark.parametrize("path", SOCKETS)
    @pytest.mark.parametrize(("base", "origin"), FOREIGN.values(), ids=FOREIGN)
    async def test_no_session_is_lent_to_a_foreign_page(
        self, path: str, base: str, origin: str | None, scene: Scene, settings: Any
    ) -> None:
        settings.BASE_URL = base
        said = [] if origin is None else [(b"origin", origin.encode())]
        socket = Socket(path.format(scene.deploy.pk), scene.cookie, (b"host", b"deployer.example"), *said)
        assert await socket.open() == (False, 4403)

    @pytest.mark.parametrize("path", SOCKETS)
    async def test_our_own_page_is_let_in(self, path: str, scene: Scene, settings: Any) -> None:
        settings.BASE_URL = "https://deployer.example"
        own = (b"origin", b"https://deployer.example")
        socket = Socket(path.format(scene.deploy.pk), scene.cookie, (b"host", b"deployer.example"), own)
        assert (await socket.open())[0]
        await socket.close()


class TestDoor:
    async def test_one_person_has_so_many_pages_and_no_more(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page_socket, "MOST_PAGES", 2)
        async with page(scene), page(scene):
            third = Socket("/ws/page", scene.cookie, ORIGIN)
            await third.open()
            assert await third.frame() == {"close": 4429}
        async with page(scene) as again:
            assert await is_silent(again)

    @pytest.mark.parametrize(
        "said",
        [
            "no",
            "[]",
            "{}",
            '{"topics": [1]}',
            '{"topics": [], "waiting": "2"}',
            '{"topics": "x"}',
            '{"topics": ["%s"]}' % ("x" * 201),
        ],
    )
    async def test_what_is_no_list_of_topics_ends_it(self, said: str, scene: Scene) -> None:
        async with page(scene) as socket:
            await socket.communicator.send_to(text_data=said)
            assert await socket.frame() == {"close": 4400}

    async def test_a_right_that_is_taken_away_closes_it(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page_socket, "PERMIT_SECONDS", 0.05)
        async with page(scene) as socket:
            await sync_to_async(User.objects.update)(is_active=False)
            assert await socket.frame() == {"close": 4403}


def test_a_moment_of_another_process_is_none() -> None:
    assert page_words.moment_of(page_words.moment()) is not None
    assert page_words.moment_of("") is None
    assert page_words.moment_of("deadbeef.12.5") is None
