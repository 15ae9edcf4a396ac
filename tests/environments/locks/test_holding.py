"""Locks: who gets one, who may give it back, and that a refused verb changes nothing."""

from datetime import datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from environments import locks
from environments.access import NotAllowed
from environments.models import Lock, LockKind, Reservation, Target, Team, User
from notifications.models import Event
from tests.builders import make_application, make_environment, make_target, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return make_user(username="ben", first_name="Ben", last_name="Sato")


@pytest.fixture
def target() -> Target:
    return make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))


def in_hours(number: float) -> datetime:
    return timezone.now() + timedelta(hours=number)


def take(place: str, by: User, **more: object) -> Lock:
    facts = {"reason": "demo for the board", "until": in_hours(1)} | more
    return locks.acquire(locks.find(place, viewer=None), by=by, **facts)  # type: ignore[arg-type]


def let_time_pass(**much: float) -> None:
    """As if the clock of the database had gone on."""
    step = timedelta(**much)
    for lock in Lock.objects.all():
        times = {name: getattr(lock, name) for name in ("since", "until", "reminded_at", "released_at")}
        Lock.objects.filter(pk=lock.pk).update(**{name: at - step for name, at in times.items() if at})
    Reservation.objects.update(starts=F("starts") - step, ends=F("ends") - step)


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="lock.").order_by("pk").values_list("kind", flat=True))


@pytest.mark.parametrize("place", ["*", "staging", "shop/staging"])
def test_a_scope_is_locked_once(place: str, target: Target, ada: User, ben: User) -> None:
    lock = take(place, ada)
    with pytest.raises(locks.Locked, match=r"locked by Ada Marsh until .*: demo for the board") as refused:
        take(place, ben)
    assert refused.value.lock == lock
    assert Lock.objects.count() == 1
    assert kinds() == ["lock.acquired"]


def test_scopes_are_independent_and_all_that_apply_stand_in_the_way(target: Target, ada: User, ben: User) -> None:
    own, wide = take("shop/staging", ada), take("staging", ben)
    assert locks.standing_in_the_way(target, by=ada) == [wide]
    assert locks.standing_in_the_way(target, by=ben) == [own]
    assert locks.standing_in_the_way(target, by=ada, automatic=True) == [wide, own]
    assert locks.standing_in_the_way(target, by=None) == [wide, own]
    assert locks.standing_in_the_way(make_target(), by=None) == []


@pytest.mark.parametrize("place", ["nowhere", "shop/nowhere", "", "a/b/c/d", "shop", "**"])
def test_there_is_nothing_else_to_lock(place: str, target: Target, ada: User) -> None:
    with pytest.raises(locks.NothingToLock):
        take(place, ada)


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 301, "bell\x07"])
def test_a_reason_is_needed(reason: str, target: Target, ada: User) -> None:
    with pytest.raises(locks.WrongWords):
        take("staging", ada, reason=reason)
    assert (Lock.objects.count(), kinds()) == (0, [])


def test_an_end_lies_in_the_future_and_never_needs_a_permission(target: Target, ada: User) -> None:
    for until in (in_hours(-1), in_hours(24 * 40), None):
        with pytest.raises(locks.WrongEnd):
            take("staging", ada, until=until)
    assert take("staging", make_user(role="maintainer"), until=None).until is None


def test_a_viewer_may_not(target: Target, ada: User) -> None:
    vera = make_user(username="vera", role="viewer")
    with pytest.raises(NotAllowed):
        take("staging", vera)
    lock = take("staging", ada)
    with pytest.raises(locks.NotYours):
        locks.release(lock, by=vera)


def test_a_lock_bars_nobody_after_its_end_without_anybody_looking(target: Target, ada: User, ben: User) -> None:
    take("staging", ada)
    let_time_pass(minutes=59)
    assert len(locks.standing_in_the_way(target, by=ben)) == 1
    let_time_pass(minutes=2)
    assert locks.standing_in_the_way(target, by=ben) == []
    taken = take("staging", ben)
    assert locks.standing_in_the_way(target, by=ada) == [taken]
    assert kinds() == ["lock.acquired", "lock.expired", "lock.acquired"]


def test_only_the_holder_or_an_administrator_gives_it_back(target: Target, ada: User, ben: User) -> None:
    lock = take("staging", ada)
    for other in (ben, make_user(role="maintainer")):
        with pytest.raises(locks.NotYours, match="Only its holder"):
            locks.release(lock, by=other)
    locks.release(lock, by=ada)
    with pytest.raises(locks.LockGone):
        locks.release(lock, by=ada)
    second = take("staging", ben)
    locks.release(second, by=make_user(role="administrator", username="root"))
    assert kinds() == ["lock.acquired", "lock.released"] * 2
    second.refresh_from_db()
    assert (second.how, second.released_by_name) == ("released", "root")


def test_any_of_a_team_holds_it(target: Target, ada: User, ben: User) -> None:
    team = Team.objects.create(name="qa")
    team.members.add(ada, ben)
    stranger = make_user()
    with pytest.raises(locks.NotYours):
        take("staging", stranger, team=team)
    lock = take("staging", ada, team=team)
    assert locks.standing_in_the_way(target, by=ben) == []
    assert locks.standing_in_the_way(target, by=stranger) == [lock]
    locks.extend(lock, by=ben, until=in_hours(2))
    team.members.remove(ada)
    assert locks.standing_in_the_way(target, by=ada) == [lock]
    locks.release(lock, by=ben)


def test_it_is_only_ever_extended_to_later(target: Target, ada: User, ben: User) -> None:
    lock = take("staging", ada)
    later = in_hours(3)
    assert locks.extend(lock, by=ada, until=later).until == later
    with pytest.raises(locks.WrongEnd, match="already"):
        locks.extend(lock, by=ada, until=in_hours(2))
    with pytest.raises(locks.NotYours):
        locks.extend(lock, by=ben, until=in_hours(9))
    let_time_pass(hours=4)
    with pytest.raises(locks.LockGone):
        locks.extend(lock, by=ada, until=in_hours(2))


def test_a_lock_of_a_deleted_person_stays_and_an_administrator_clears_it(target: Target, ada: User, ben: User) -> None:
    lock = take("staging", ada)
    ada.delete()
    (standing,) = locks.standing_in_the_way(target, by=ben)
    assert standing.orphaned
    assert "Ada Marsh, who is no longer here" in locks.tell(standing)
    with pytest.raises(locks.NotYours):
        locks.release(standing, by=ben)
    locks.release(standing, by=make_user(role="administrator"))
    assert locks.standing_in_the_way(target, by=ben) == []
    assert lock.pk == standing.pk


def test_taking_over_needs_the_permission_and_a_reason(target: Target, ada: User, ben: User) -> None:
    lock = take("staging", ada)
    cleo = make_user(username="cleo", role="maintainer")
    with pytest.raises(NotAllowed):
        locks.take(lock, by=ben, reason="I want it")
    with pytest.raises(locks.WrongWords):
        locks.take(lock, by=cleo, reason=" ")
    taken = locks.take(lock, by=cleo, reason="production is down")
    assert (taken.holder, taken.until) == (cleo, lock.until)
    assert locks.standing_in_the_way(target, by=ada) == [taken]
    with pytest.raises(locks.LockGone):
        locks.release(lock, by=ada)
    event = Event.objects.get(kind="lock.taken_over")
    assert (event.actor, event.facts["to"], event.facts["was"]) == ("cleo", "ada", "Ada Marsh")


def test_what_the_deployer_closes_bars_machines_only_until_a_person_clears_it(target: Target, ada: User) -> None:
    closed = locks.close_to_machines(locks.of_target(target), reason="#3 failed")
    assert closed is not None
    assert locks.close_to_machines(locks.of_target(target), reason="#4 failed") is None
    assert locks.standing_in_the_way(target, by=ada) == []
    assert locks.standing_in_the_way(target, by=ada, automatic=True) == [closed]
    own = take("shop/staging", ada)
    locks.release(own, by=ada)
    assert locks.standing_in_the_way(target, by=None) == [closed]
    locks.release(closed, by=ada)
    assert locks.standing_in_the_way(target, by=None) == []


def test_a_warning_is_told_as_one(target: Target, ada: User) -> None:
    lock = take("staging", ada, kind=LockKind.WARNING)
    assert locks.tell_who(lock) == "Ada Marsh asks for care with staging"
