"""Threads for hosts: each takes one host after the other, for a host that is waited for holds its thread."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from django.db import connection

from deployments.claims import ClaimLost


class Hands:
    """At most so many threads, begun when they are needed. An executor costs each host a future and its locks."""

    def __init__(self, most: int, name: str = "host") -> None:
        self._most, self._name = most, name
        self._turns: SimpleQueue[_Round | None] = SimpleQueue()
        self._open = 0  # turns that are waited for or taken
        self._threads: list[threading.Thread] = []
        self._rounds: set[_Round] = set()
        self._closed = False
        self._lock = threading.Lock()

    def each(self, items: Sequence[Any], act: Callable[[Any], None]) -> None:
        """`act` on all items at once, as far as there are threads; returns when all are done.

        Raises the first error of any, but only then.
        """
        if not items:
            return
        wanted = _Round(items, act)
        turns = min(len(items), self._most)
        with self._lock:
            if self._closed:
                raise ClaimLost("This worker ends; others go on.")
            self._rounds.add(wanted)
            self._open += turns
            for _ in range(len(self._threads), min(self._open, self._most)):
                self._begin_thread()
        for _ in range(turns):
            self._turns.put(wanted)
        try:
            wanted.wait()
        finally:
            with self._lock:
                self._rounds.discard(wanted)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Threads end when they have done what they have; with `cancel_futures` nothing else is begun."""
        with self._lock:
            self._closed = True
            threads, rounds = list(self._threads), list(self._rounds)
        for begun in rounds if cancel_futures else ():
            begun.cancel()
        for _ in threads:
            self._turns.put(None)
        for thread in threads if wait else ():
            thread.join()

    def _begin_thread(self) -> None:
        # a host that hangs must not keep a process that ends
        thread = threading.Thread(target=self._run, name=f"{self._name}_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (taken := self._turns.get()) is not None:
            taken.work()
            connection.close()
            with self._lock:
                self._open -= 1


class _Round:
    """The items of one call, and how many of them are not done yet."""

    def __init__(self, items: Sequence[Any], act: Callable[[Any], None]) -> None:
        self._todo, self._act = deque(items), act
        self._left = len(items)
        self._error: BaseException | None = None
        self._lock, self._over = threading.Lock(), threading.Lock()
        self._over.acquire()

    def work(self) -> None:
        """Until there is nothing more to begin."""
        while True:
            try:
                item = self._todo.popleft()
            except IndexError:
                return
            error: BaseException | None = None
            try:
                self._act(item)
            except BaseException as raised:  # noqa: BLE001 - whoever waits raises it
                error = raised
            self._end(1, error)

    def cancel(self) -> None:
        """What has not begun never does."""
        count = 0
        while True:
            try:
                self._todo.popleft()
            except IndexError:
                break
            count += 1
        self._end(count, ClaimLost("This worker ends; others go on.") if count else None)

    def wait(self) -> None:
        self._over.acquire()
        if self._error is not None:
            raise self._error

    def _end(self, count: int, error: BaseException | None) -> None:
        with self._lock:
            self._error = self._error or error
            self._left -= count
            if count and not self._left:
                self._over.release()
