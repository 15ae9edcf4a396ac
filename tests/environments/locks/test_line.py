"""Waiting for a lock: in line, by asking, or only to hear; and what time does to all of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from environments import locks
from environments.models import Lock, LockRequest, Target, User
from notifications.models import Event
from tests.builders import make_environment, make_lock, make_target, make_user
from tests.environments.locks.test_holding import kinds, let_time_pass

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR = timedelta(hours=1)


@pytest.fixture
def target() -> Target:
    return make_target(environment=make_environment(name="staging"))


@pytest.fixture
def people() -> list[User]:
    return [make_user(username=name) for name in ("ada", "ben", "cleo", "dan")]


@pytest.fixture
def held(target: Target, people: list[User]) -> Lock:
    return make_lock(target=target, by=people[0])


def wait(lock: Lock, by: User, wanted: timedelta = HOUR) -> None:
    locks.wait_in_line(locks.of_row(lock), by=by, wanted=wanted, reason=f"tests of {by.username}")


def now(target: Target) -> tuple[str, bool] | None:
    """Who has it, and whether that is only an offer."""
    lock = locks.held().filter(scope=target.slug).select_related("holder").first()
    return (lock.holder_name, lock.offered) if lock else None


def test_it_goes_through_the_line_in_order(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, cleo, _ = people
    for one in (ben, cleo):
        wait(held, one)
    locks.release(held, by=ada)
    assert now(target) == ("ben", True)
    offered = Lock.objects.get(holder=ben)
    locks.confirm(offered, by=ben)
    assert now(target) == ("ben", False)
    left = Lock.objects.get(holder=ben).until
    assert left is not None
    assert timedelta(minutes=59) < left - timezone.now() <= HOUR
    let_time_pass(minutes=61)
    assert now(target) is None
    assert [lock.holder_name for lock in locks.expire_due()] == ["ben"]
    assert now(target) == ("cleo", True)
    events = Event.objects.filter(kind="lock.offered").order_by("pk")
    assert [event.facts["to"] for event in events] == ["ben", "cleo"]


def test_who_does_not_confirm_in_time_is_passed(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, cleo, _ = people
    for one in (ben, cleo):
        wait(held, one)
    locks.release(held, by=ada)
    offered = Lock.objects.get(holder=ben)
    let_time_pass(minutes=11)
    with pytest.raises(locks.LockGone):
        locks.confirm(offered, by=ben)
    locks.expire_due()
    assert now(target) == ("cleo", True)
    locks.release(Lock.objects.get(holder=cleo), by=cleo)  # declines
    assert now(target) is None
    assert kinds()[-2:] == ["lock.offered", "lock.declined"]


def test_one_who_may_no_longer_lock_is_passed(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, cleo, _ = people
    for one in (ben, cleo):
        wait(held, one)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    locks.release(held, by=ada)
    assert now(target) == ("cleo", True)
    assert LockRequest.objects.get(person=ben).how == "gone"


def test_who_comes_to_an_expired_lock_does_not_pass_the_line(target: Target, people: list[User], held: Lock) -> None:
    _, ben, cleo, _ = people
    wait(held, ben)
    let_time_pass(hours=2)
    with pytest.raises(locks.Locked):
        locks.acquire(locks.of_target(target), by=cleo, reason="me first", until=timezone.now() + HOUR)
    locks.expire_due()
    assert now(target) == ("ben", True)


def test_one_waits_once_and_may_leave(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, *_ = people
    wait(held, ben)
    with pytest.raises(locks.NothingToWaitFor, match="already"):
        wait(held, ben)
    with pytest.raises(locks.NothingToWaitFor, match="yourself"):
        wait(held, ada)
    locks.leave_line(locks.of_row(held), by=ben)
    with pytest.raises(locks.NothingToWaitFor):
        locks.leave_line(locks.of_row(held), by=ben)
    locks.release(held, by=ada)
    assert now(target) is None
    with pytest.raises(locks.NothingToWaitFor, match="free"):
        wait(held, ben)


def test_those_who_only_want_to_hear_hear_when_nobody_waits(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, cleo, _ = people
    locks.tell_me_when_free(locks.of_row(held), by=cleo)
    wait(held, ben)
    locks.release(held, by=ada)
    assert not Event.objects.filter(kind="lock.free").exists()
    locks.release(Lock.objects.get(holder=ben), by=ben)
    assert Event.objects.get(kind="lock.free").facts["to"] == ["cleo"]


def test_somebody_who_came_in_the_moment_of_the_release_is_served(
    target: Target, people: list[User], held: Lock
) -> None:
    wait(held, people[1])
    Lock.objects.filter(pk=held.pk).update(released_at=timezone.now(), how="released")
    locks.expire_due()
    assert now(target) == ("ben", True)


def test_the_holder_answers_once(target: Target, people: list[User], held: Lock) -> None:
    ada, ben, cleo, dan = people
    asked = [locks.ask(held, by=one, text="may I?") for one in (ben, cleo, dan)]
    with pytest.raises(locks.AlreadyAsked):
        locks.ask(held, by=ben, text="really?")
    with pytest.raises(locks.NotYours):
        locks.answer(asked[0], "no", by=ben)
    locks.answer(asked[0], "no", by=ada)
    with pytest.raises(locks.NoSuchQuestion):
        locks.answer(asked[0], "release", by=ada)
    locks.answer(asked[1], "extend", by=ada, until=timezone.now() + 5 * HOUR)
    locks.answer(asked[2], "release", by=ada)
    assert now(target) is None


def test_holders_are_reminded_before_the_end_and_every_few_hours(
    target: Target, people: list[User], held: Lock
) -> None:
    def reminded() -> int:
        locks.expire_due()
        return Event.objects.filter(kind="lock.reminded").count()

    assert reminded() == 0
    let_time_pass(minutes=50)
    assert reminded() == 1
    assert reminded() == 1
    Lock.objects.filter(pk=held.pk).update(until=None)
    let_time_pass(hours=4, minutes=1)
    assert reminded() == 2
    let_time_pass(hours=3)
    assert reminded() == 2
