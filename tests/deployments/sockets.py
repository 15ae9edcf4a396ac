"""A WebSocket to the application itself, without a server between."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from channels.testing import WebsocketCommunicator
from django.conf import settings

from deployer_site.asgi import application
from deployments import page_words
from tests.patience import PATIENCE

ORIGIN = (b"origin", settings.BASE_URL.encode())


class Socket:
    """What a browser or script sees of a live log."""

    def __init__(self, path: str, *headers: tuple[bytes, bytes]) -> None:
        self.size = 0  # bytes of the last frame
        host = [] if any(name == b"host" for name, _ in headers) else [(b"host", b"localhost")]
        self.communicator = WebsocketCommunicator(application, path, headers=[*host, *headers])

    async def open(self) -> tuple[bool, int | None]:
        accepted, code = await self.communicator.connect(timeout=PATIENCE)
        return accepted, code

    async def frame(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next frame; `{"close": code}` when the socket is closed."""
        said = await self.communicator.receive_output(timeout=seconds)
        if said["type"] == "websocket.close":
            return {"close": said.get("code")}
        self.size = len(said["text"].encode())
        frame: dict[str, Any] = json.loads(said["text"])
        return frame

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """All frames up to the close, which is the last."""
        while True:
            frame = await self.frame()
            yield frame
            if "close" in frame:
                return

    async def close(self) -> None:
        await self.communicator.disconnect(timeout=PATIENCE)


def viewers() -> Collection[page_words.Viewer]:
    """The pages that are open on this event loop."""
    hall, _ = page_words._halls.get(asyncio.get_running_loop(), (None, None))
    return hall.viewers if hall else ()


async def topics_taken() -> None:
    """Until every page that is open has said what it shows, and was heard. Until then it is told of everything."""
    async with asyncio.timeout(PATIENCE):
        while not viewers() or any(viewer.topics is None for viewer in viewers()):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(deploy_id: int, token: str, query: str = "") -> AsyncIterator[Socket]:
    """A socket with a bearer token that was let in."""
    socket = Socket(f"/ws/deploys/{deploy_id}/log{query}", (b"authorization", f"Bearer {token}".encode()))
    accepted, _ = await socket.open()
    assert accepted
    try:
        yield socket
    finally:
        await socket.close()
