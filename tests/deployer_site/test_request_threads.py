"""The threads of requests: few at a time, kept from one to the next, and nobody stands in the way of all."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from deployer_site import request_threads
from deployer_site.request_threads import AT_ONCE, Handler, RequestThreads

START = {"type": "http.response.start", "status": 200, "headers": []}


class Requests:
    """An application that notes who has begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go_on = [asyncio.Event() for _ in range(AT_ONCE * 3)]
        self.threads: list[threading.Thread] = []  # their numbers are given out again

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.append(scope["number"])
        if scope.get("answers"):
            await send(START)
        self.threads.append(await sync_to_async(threading.current_thread)())
        await self.go_on[scope["number"]].wait()


async def _nowhere(message: Any = None) -> None:
    del message


def _ask(threads: RequestThreads, number: int, **more: Any) -> "asyncio.Task[None]":
    return asyncio.create_task(threads({"number": number, **more}, _nowhere, _nowhere))


async def _settle() -> None:
    """Everything that can happen now has happened."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_few_are_worked_on_at_once_and_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_threads, "SLOW_SECONDS", 60.0)
    asked = Requests()
    threads = RequestThreads(asked)
    tasks = [_ask(threads, number) for number in range(AT_ONCE + 2)]
    await _settle()
    assert asked.begun == list(range(AT_ONCE))
    asked.go_on[3].set()
    await tasks[3]
    await _settle()
    assert asked.begun == list(range(AT_ONCE + 1))
    for event in asked.go_on:
        event.set()
    await asyncio.gather(*tasks)
    assert asked.begun == list(range(AT_ONCE + 2))


async def test_slow_ones_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_threads, "SLOW_SECONDS", 0.05)
    asked = Requests()
    threads = RequestThreads(asked)
    slow = [_ask(threads, number) for number in range(AT_ONCE)]
    asked.go_on[AT_ONCE].set()
    await asyncio.wait_for(_ask(threads, AT_ONCE), 60)
    assert not any(task.done() for task in slow)
    for event in asked.go_on:
        event.set()
    await asyncio.gather(*slow)
    assert threads._places._value == AT_ONCE, "each has given its place back once"


async def test_who_only_reads_a_long_answer_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_threads, "SLOW_SECONDS", 60.0)
    asked = Requests()
    threads = RequestThreads(asked)
    readers = [_ask(threads, number, answers=True) for number in range(AT_ONCE)]
    asked.go_on[AT_ONCE].set()
    await asyncio.wait_for(_ask(threads, AT_ONCE), 60)
    for event in asked.go_on:
        event.set()
    await asyncio.gather(*readers)


async def test_a_thread_serves_one_request_after_the_other() -> None:
    asked = Requests()
    threads = RequestThreads(asked)
    for number in range(3):
        asked.go_on[number].set()
        await _ask(threads, number)
    assert len(set(asked.threads)) == 1


async def test_a_thread_that_may_still_be_at_work_serves_nobody_else() -> None:
    """Who comes next would wait behind what was given up."""
    asked = Requests()
    threads = RequestThreads(asked)
    given_up = _ask(threads, 0)
    while not asked.threads:
        await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    asked.go_on[1].set()
    await _ask(threads, 1)
    assert len(set(asked.threads)) == 2


def plain(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    seen.append((threading.get_ident(), id(connection.connection)))
    return HttpResponse("plain")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    async def words() -> AsyncIterator[str]:
        while True:
            yield "word"
            await asyncio.sleep(0)

    response = StreamingHttpResponse(words())
    response._resource_closers.append(lambda: seen.append((0, 0)))  # type: ignore[attr-defined]
    return response


plain.needs = endless.needs = "anyone"  # type: ignore[attr-defined]
urlpatterns = [path("plain", plain), path("endless", endless)]
seen: list[tuple[int, int]] = []


@pytest.fixture
def own_pages() -> Iterator[None]:
    seen.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield


class Browser:
    """One request and what comes back; it leaves after so many messages."""

    def __init__(self, leaves_after: int = 1_000_000) -> None:
        self.got: list[dict[str, Any]] = []
        self._leaves_after = leaves_after
        self._has_left = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.got.append(message)
        if len(self.got) >= self._leaves_after:
            self._has_left.set()

    async def ask(self, threads: RequestThreads, address: str) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": address,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        await asyncio.wait_for(threads(scope, self.receive, self.send), 60)


@pytest.mark.django_db(transaction=True)
async def test_the_next_request_finds_the_connection_of_the_one_before(own_pages: None) -> None:
    threads = RequestThreads(Handler())
    for _ in range(2):
        browser = Browser()
        await browser.ask(threads, "/plain")
        assert [message.get("status") or message["body"] for message in browser.got] == [200, b"plain"]
    assert seen[0] == seen[1]


@pytest.mark.django_db(transaction=True)
async def test_a_stream_ends_when_its_reader_leaves(own_pages: None) -> None:
    browser = Browser(leaves_after=20)
    await browser.ask(RequestThreads(Handler()), "/endless")
    assert len(browser.got) >= 20
    assert seen == [(0, 0)], "it was closed"
