"""Waits for a slow reader. Under daphne a send only fills a buffer; this asks Twisted when that buffer is empty enough.

Daphne does not tell an ASGI application how full the buffer is, so its protocol object is looked up behind `send`.
Under another server nothing is found, and nothing is waited for.
"""

import asyncio
import functools
from typing import Any

from daphne.ws_protocol import WebSocketProtocol

MOST_IN = 4096  # bytes of a frame from a browser; a log's reader says nothing
MOST_MESSAGE = 1 << 20  # bytes of a message, either way; ours have half of that at most


class Flow:
    """A push producer, as Twisted calls it, which only notes whether it shall pause."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def ready(self) -> None:
        """Returns when the reader has taken most of what was sent."""
        await self._open.wait()

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()

    def stopProducing(self) -> None:
        self._open.set()


def flow_of(send: Any) -> Flow:
    """The flow of the connection behind an ASGI `send`, once the socket is open."""
    flow = Flow()
    protocol = _protocol_behind(send)
    if protocol is not None:
        protocol.maxFramePayloadSize = MOST_IN
        protocol.maxMessagePayloadSize = MOST_MESSAGE
        protocol.failByDrop = False  # tell why
        # the HTTP connection that this socket was before is still registered
        protocol.unregisterProducer()
        protocol.registerProducer(flow, True)
    return flow


def _protocol_behind(send: Any) -> WebSocketProtocol | None:
    """Through the wrappers of Channels' middleware to `partial(Server.handle_reply, protocol)`."""
    while send is not None:
        if isinstance(send, functools.partial):
            found = [value for value in send.args if isinstance(value, WebSocketProtocol)]
            return found[0] if found else None
        send = getattr(getattr(send, "__self__", None), "real_send", None)
    return None
