"""The threads in which pages and the API are answered: few, kept, and each with its connection to the database.

Django's own way makes a thread for each request, which opens the database anew, and changes between that thread and
the loop several times. When hundreds ask at once, as many threads then fight for one processor.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.urls import set_script_prefix

from deployer_site.proxies import Application, Scope

AT_ONCE = 8
# Who is not answered by then waits for git, a server or the database, and holds up nobody behind.
SLOW_SECONDS = 0.5
KEPT = 16


class Handler(ASGIHandler):
    """Django's handler for middleware and views that are all synchronous: in one piece, without a change of thread."""

    def __init__(self) -> None:
        self.load_middleware(is_async=False)

    async def handle(self, scope: Scope, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        response = await sync_to_async(self._respond)(scope, body)
        if response.streaming:
            await self._stream(response, receive, send)
        else:
            await self.send_response(response, send)

    def _respond(self, scope: Scope, body: IO[bytes]) -> Any:
        """The whole request: what is not streamed is over, and its connection given back, before it is sent."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        response: Any = self.get_response(request) if request is not None else refusal
        response._handler_class = self.__class__
        if not response.streaming:
            response.close()
            body.close()
        return response

    async def _stream(self, response: Any, receive: Any, send: Any) -> None:
        """Until all is sent or the reader has left."""
        sending = asyncio.ensure_future(self.send_response(response, send))
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await sync_to_async(response.close)()


class Turn:
    """One of the places for requests that are worked on; given back once, by whoever comes first."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.over)
        self._over = False

    def over(self) -> None:
        if not self._over:
            self._over = True
            self._timer.cancel()
            self._places.release()


class RequestThreads:
    """Answers AT_ONCE requests at a time, in their order; a slow one or a long answer does not count."""

    def __init__(self, application: Application | ASGIHandler) -> None:
        self._application: Any = application
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: list[ThreadPoolExecutor] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        await self._places.acquire()
        turn = Turn(self._places)

        async def send_and_make_room(message: dict[str, Any]) -> None:
            turn.over()
            await send(message)

        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, send_and_make_room)
        except BaseException:
            # it may still be at work
            thread.shutdown(wait=False)
            raise
        else:
            self._keep(thread)
        finally:
            turn.over()

    def _keep(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < KEPT:
            self._idle.append(thread)
        else:
            thread.shutdown(wait=False)
