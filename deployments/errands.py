"""How much a worker has in hand: hosts in threads, up to a number, and work that is taken up as there is room."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from deployments.hands import Hands

Key = tuple[int, str]  # deploy and kind of work
Item = TypeVar("Item")


@dataclass(eq=False)
class Errand:
    """One kind of work of one deploy, and the host runs that it is still to be tried on."""

    key: Key
    todo: dict[int, None]  # in order
    running: int = 0
    taken: int = 0


@dataclass(eq=False)
class Reserved:
    """Places for hosts whose threads have not begun yet."""

    left: int


class Errands:
    """What a worker has in hand. A piece of work begins only while fewer than `most` hosts are in hand.

    A host that hangs holds one place, not its whole piece: the next piece begins as soon as others are done.
    """

    def __init__(self, most: int) -> None:
        self._hands = Hands(most)
        self._most = most
        self._in_hand = 0
        self._reserved: dict[int, Reserved] = {}
        self._open: dict[Key, Errand] = {}
        self._change = threading.Condition()

    def begin(self, key: Key, run_ids: Sequence[int]) -> Errand | None:
        """A new errand; None when there is one for this already, to which these host runs are added."""
        with self._change:
            if self.add(key, run_ids):
                return None
            errand = self._open[key] = Errand(key, dict.fromkeys(run_ids))
            return errand

    def add(self, key: Key, run_ids: Sequence[int]) -> bool:
        """Whether there is an errand for this, to which these host runs are added."""
        with self._change:
            known = self._open.get(key)
            if known is not None:
                known.todo.update(dict.fromkeys(run_ids))
                self._change.notify_all()
            return known is not None

    def has_backlog(self, deploy_id: int) -> bool:
        """Whether there are host runs of this deploy for which there is no room yet."""
        with self._change:
            return any(errand.todo for (deploy, _), errand in self._open.items() if deploy == deploy_id)

    def load(self) -> tuple[int, int]:
        """How many hosts are in hand, and for how many there is no room yet."""
        with self._change:
            return self._in_hand, sum(len(errand.todo) for errand in self._open.values())

    def next_piece(self, errand: Errand, size: int) -> list[int]:
        """The next host runs to try, once there is room. Empty: all is done, and the errand is closed."""
        with self._change:
            self._change.wait_for(lambda: self._has_room() if errand.todo else not errand.running)
            piece = list(islice(errand.todo, size))
            for run_id in piece:
                del errand.todo[run_id]
            if piece:
                errand.running += 1
            else:
                self._open.pop(errand.key, None)
            return piece

    def end_piece(self, errand: Errand) -> None:
        with self._change:
            errand.running -= 1
            self._change.notify_all()

    def end(self, errand: Errand) -> None:
        """However it ended: the same work may begin anew."""
        with self._change:
            if self._open.get(errand.key) is errand:
                del self._open[errand.key]

    @contextmanager
    def reserve(self, count: int) -> Iterator[Reserved]:
        """Places for what this thread will submit."""
        reserved = Reserved(count)
        with self._change:
            self._reserved[threading.get_ident()] = reserved
        try:
            yield reserved
        finally:
            with self._change:
                del self._reserved[threading.get_ident()]
                self._change.notify_all()

    def each(self, items: Sequence[Item], act: Callable[[Item], None]) -> None:
        """`act` on all of them in threads for hosts; returns when all are done, and raises the first error then."""

        def one(item: Item) -> None:
            try:
                act(item)
            finally:
                self._done()

        with self._change:
            self._in_hand += len(items)
            reserved = self._reserved.get(threading.get_ident())
            if reserved is not None:
                reserved.left -= len(items)
        self._hands.each(items, one)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._hands.shutdown(wait, cancel_futures=cancel_futures)

    def _has_room(self) -> bool:
        return self._in_hand + sum(reserved.left for reserved in self._reserved.values()) < self._most

    def _done(self) -> None:
        with self._change:
            self._in_hand -= 1
            if self._in_hand < self._most:
                self._change.notify_all()
