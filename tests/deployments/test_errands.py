"""How much a worker has in hand: a piece begins when there is room, and one host that hangs holds up no other."""

import threading
from collections.abc import Iterator

import pytest

from deployments.errands import Errands
from tests.deployments.fleet import eventually

KEY = (1, "prepare")


@pytest.fixture
def errands() -> Iterator[Errands]:
    made = Errands(4)
    yield made
    made.shutdown(cancel_futures=True)


def test_pieces_come_in_order_until_nothing_is_left(errands: Errands) -> None:
    errand = errands.begin(KEY, [5, 6, 7])
    assert errand is not None
    assert errands.next_piece(errand, 2) == [5, 6]
    errands.end_piece(errand)
    assert errands.next_piece(errand, 2) == [7]
    errands.end_piece(errand)
    assert errands.next_piece(errand, 2) == []
    assert errands.begin(KEY, [8]) is not None, "it was closed, so the same work begins anew"


def test_what_is_offered_meanwhile_is_added_once(errands: Errands) -> None:
    """Two messages about the same hosts, or a sweep that finds what is under way."""
    errand = errands.begin(KEY, [1, 2])
    assert errand is not None
    assert errands.begin(KEY, [2, 3]) is None
    assert errands.add((1, "finish"), [4]) is False
    assert errands.next_piece(errand, 9) == [1, 2, 3]


def test_an_errand_stays_open_while_a_piece_runs(errands: Errands) -> None:
    """What a dead worker leaves behind must find it, even when one host of it hangs for hours."""
    errand = errands.begin(KEY, [1])
    assert errand is not None
    assert errands.next_piece(errand, 9) == [1]
    found: list[list[int]] = []
    thread = threading.Thread(target=lambda: found.append(errands.next_piece(errand, 9)))
    thread.start()
    assert errands.add(KEY, [2])
    thread.join(120)
    assert found == [[2]]


def test_no_piece_begins_while_the_worker_has_its_hands_full(errands: Errands) -> None:
    errand = errands.begin(KEY, list(range(20)))
    assert errand is not None
    go = threading.Event()
    begun: list[int] = []

    def hang(n: int) -> None:
        begun.append(n)
        go.wait(120)

    def piece(ids: list[int]) -> None:
        with errands.reserve(len(ids)):
            errands.each(ids, hang)
        errands.end_piece(errand)

    def work() -> None:
        while ids := errands.next_piece(errand, 2):
            threading.Thread(target=piece, args=(ids,)).start()

    worker = threading.Thread(target=work)
    worker.start()
    eventually(lambda: len(begun) == 4, what="two pieces")
    assert len(errand.todo) == 16
    go.set()
    worker.join(120)
    assert sorted(begun) == list(range(20))


def test_places_are_kept_for_a_piece_that_has_not_begun(errands: Errands) -> None:
    """Claiming takes a moment: without this, every piece would begin in it."""
    with errands.reserve(4):
        assert not errands._has_room()
    assert errands._has_room()
