"""Threads for hosts: every host once, no more at a time than there are threads, and nobody waits for ever."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from deployments.claims import ClaimLost
from deployments.hands import Hands
from tests.deployments.fleet import eventually


@pytest.fixture
def hands() -> Iterator[Hands]:
    made = Hands(4)
    yield made
    made.shutdown(wait=False, cancel_futures=True)


def test_each_is_done_once_by_few_threads(hands: Hands) -> None:
    done: list[int] = []
    names: set[str] = set()

    def act(n: int) -> None:
        done.append(n)
        names.add(threading.current_thread().name)

    for _ in range(5):
        hands.each(range(200), act)
    assert Counter(done) == dict.fromkeys(range(200), 5)
    assert names <= {f"host_{n}" for n in range(4)}
    hands.each([], act)


def test_no_more_at_once_than_there_are_threads(hands: Hands) -> None:
    go, begun = threading.Event(), []

    def hang(n: int) -> None:
        begun.append(n)
        go.wait(120)

    callers = [threading.Thread(target=hands.each, args=([n, n + 1, n + 2], hang)) for n in (0, 10)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(begun) == 4, what="four at once")
    go.set()
    for caller in callers:
        caller.join(120)
    assert sorted(begun) == [0, 1, 2, 10, 11, 12]


def test_one_that_hangs_holds_up_no_other(hands: Hands) -> None:
    go, done = threading.Event(), []

    def act(n: int) -> None:
        if n == 0:
            go.wait(120)
        done.append(n)

    caller = threading.Thread(target=hands.each, args=(range(50), act))
    caller.start()
    eventually(lambda: len(done) == 49, what="the end of the others")
    hands.each([50], done.append)
    go.set()
    caller.join(120)
    assert done[-2:] == [50, 0]


def test_what_goes_wrong_is_told_when_all_are_done(hands: Hands) -> None:
    done: list[int] = []

    def act(n: int) -> None:
        if n == 3:
            raise ValueError("three")
        done.append(n)

    with pytest.raises(ValueError, match="three"):
        hands.each(range(100), act)
    assert sorted(done) == [n for n in range(100) if n != 3]
    hands.each([100], act)
    assert done[-1] == 100, "the threads live on"


def test_who_ends_begins_nothing_more_and_leaves_nobody_waiting(hands: Hands) -> None:
    go, begun = threading.Event(), []
    told: list[Exception] = []

    def hang(n: int) -> None:
        begun.append(n)
        go.wait(120)

    def call() -> None:
        try:
            hands.each(range(20), hang)
        except ClaimLost as error:
            told.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    eventually(lambda: len(begun) == 4, what="the first four")
    hands.shutdown(wait=False, cancel_futures=True)
    go.set()
    caller.join(120)
    assert (len(begun), len(told)) == (4, 1)
    with pytest.raises(ClaimLost):
        hands.each([1], hang)
