"""Many at once, on real rows: one gets a lock, one ends it, and nothing that was written is lost."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from environments import locks
from environments.access import NotAllowed
from environments.models import Lock, Reservation, Target, User
from notifications.models import Event
from tests.builders import make_environment, make_lock, make_target, make_user
from tests.environments.locks.test_holding import let_time_pass

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
REFUSALS = (locks.LockError, NotAllowed)


THREADS = 50  # each with a connection of its own


def at_once(acts: Sequence[Callable[[], object]]) -> Counter[str]:
    """Begin all at the same moment, fifty at a time; how often each answer came."""
    threads = min(len(acts), THREADS)
    assert len(acts) % threads == 0
    together = threading.Barrier(threads)

    def run(act: Callable[[], object]) -> str:
        try:
            together.wait(60)
            act()
        except REFUSALS as refusal:
            return type(refusal).__name__
        else:
            return "done"
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(run, acts))


@pytest.fixture
def target() -> Target:
    return make_target(environment=make_environment(name="staging"))


@pytest.fixture
def people() -> list[User]:
    return [make_user(username=f"p{n}") for n in range(20)]


def try_acquire(target: Target, by: User) -> None:
    until = timezone.now() + timedelta(hours=1)
    locks.acquire(locks.of_target(target), by=by, reason="race", until=until)


@pytest.mark.parametrize("expired", [False, True])
def test_of_two_hundred_one_gets_it(expired: bool, target: Target, people: list[User]) -> None:
    if expired:
        make_lock(target=target, by=make_user())
        let_time_pass(hours=2)
    answers = at_once([partial(try_acquire, target, people[n % 20]) for n in range(200)])
    assert answers == {"done": 1, "Locked": 199}
    assert Lock.objects.filter(released_at=None).count() == 1
    assert Event.objects.filter(kind="lock.acquired").count() == 1
    assert Event.objects.filter(kind="lock.expired").count() == expired


def test_a_lock_ends_once_however_many_end_it(target: Target, people: list[User]) -> None:
    holder, boss = make_user(), make_user(role="administrator")
    lock = make_lock(target=target, by=holder)
    locks.wait_in_line(locks.of_row(lock), by=people[0], wanted=timedelta(hours=1), reason="next")
    release = partial(locks.release, lock, by=holder)
    take = partial(locks.take, lock, by=boss, reason="now")
    answers = at_once([release, take, partial(locks.release, lock, by=boss), locks.expire_due] * 5)
    assert (answers["done"], answers["LockGone"]) == (6, 14)
    (now,) = Lock.objects.filter(released_at=None)
    ends = Event.objects.filter(kind__in=("lock.released", "lock.taken_over"))
    assert ends.count() == 1
    assert now.holder == (boss if ends.get().kind == "lock.taken_over" else people[0])


def test_those_who_wait_are_served_one_by_one(target: Target, people: list[User]) -> None:
    lock = make_lock(target=target, by=make_user())
    answers = at_once(
        [
            partial(locks.wait_in_line, locks.of_row(lock), by=one, wanted=timedelta(hours=1), reason="next")
            for one in people
        ]
    )
    assert answers == {"done": 20}
    for _ in people:
        let_time_pass(hours=2)
        at_once([locks.expire_due] * 6)
        assert Lock.objects.filter(released_at=None).count() == 1
    assert Event.objects.filter(kind="lock.offered").count() == 20
    assert Lock.objects.values("holder").distinct().count() == 21


def test_no_extension_is_lost(target: Target, people: list[User]) -> None:
    """Whoever extends at once: the latest end counts, and each that was granted was later than what it replaced."""
    holder = people[0]
    lock = make_lock(target=target, by=holder)
    ends = [timezone.now() + timedelta(hours=1, minutes=n + 1) for n in range(20)]
    at_once([partial(locks.extend, lock, by=holder, until=until) for until in ends])
    lock.refresh_from_db()
    assert lock.until == max(ends)
    told = Event.objects.filter(kind="lock.extended").order_by("pk").values_list("facts__until", flat=True)
    assert list(told) == sorted(told)


@pytest.mark.parametrize("wider", [False, True])
def test_of_many_who_book_the_same_time_one_has_it(wider: bool, target: Target, people: list[User]) -> None:
    """Weekly ones too: whoever overlaps in one week is refused as a whole."""
    starts = timezone.now() + timedelta(hours=1)
    scopes = [locks.of_target(target), locks.of_environment(target.environment) if wider else locks.of_target(target)]

    def book(n: int) -> None:
        at = starts + timedelta(weeks=n % 3)
        last = (starts + timedelta(weeks=2, hours=1)).date() if n % 2 else None
        times = {"starts": at, "ends": at + timedelta(hours=2), "weekly_until": last, "zone": "UTC"}
        locks.book(scopes[n // 10 % 2], by=people[n], reason="race", **times)  # type: ignore[arg-type]

    answers = at_once([partial(book, n) for n in range(20)])
    assert set(answers) == {"done", "Reserved"}
    times = sorted(Reservation.objects.values_list("starts", "ends"))
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    assert Event.objects.filter(kind="reservation.booked").count() == answers["done"]
    assert Reservation.objects.values("holder").distinct().count() == answers["done"]


def test_a_reservation_begins_once_however_many_look(target: Target, people: list[User]) -> None:
    starts = timezone.now() + timedelta(hours=1)
    scope = locks.of_target(target)
    locks.book(scope, by=people[0], reason="race", starts=starts, ends=starts + timedelta(hours=2))
    let_time_pass(minutes=61)
    answers = at_once([locks.expire_due, partial(try_acquire, target, people[1])] * 5)
    assert answers == {"done": 5, "Locked": 5}
    assert Lock.objects.get().holder == people[0]
    assert Event.objects.filter(kind="lock.offered").count() == 1
