"""Reservations: who may book what, what is in the way, and how a reservation becomes the lock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from environments import locks
from environments.access import NotAllowed
from environments.locks.repeating import MOST_TIMES, times_of
from environments.models import Lock, LockRequest, Reservation, Target, Team, User
from notifications.models import Event
from tests.builders import make_application, make_environment, make_lock, make_target, make_user
from tests.environments.locks.test_holding import kinds, let_time_pass

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HOUR = timedelta(hours=1)


@pytest.fixture
def target() -> Target:
    return make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return make_user(username="ben", first_name="Ben", last_name="Sato")


def book(place: str, by: User, start: float = 1, end: float = 2, **more: object) -> list[Reservation]:
    now = timezone.now()
    facts = {"starts": now + start * HOUR, "ends": now + end * HOUR, "reason": "acceptance"} | more
    return locks.book(locks.find(place, viewer=None), by=by, **facts)  # type: ignore[arg-type]


def standing(place: str = "shop/staging") -> tuple[str, bool] | None:
    lock = locks.held().filter(scope=place).first()
    return (lock.holder_name, lock.offered) if lock else None


def how(row: Reservation) -> str:
    row.refresh_from_db()
    return row.how


def test_it_becomes_the_lock_at_its_start_and_lasts_until_its_end(target: Target, ada: User, ben: User) -> None:
    (row,) = book("shop/staging", ada, 1, 3)
    let_time_pass(minutes=59)
    locks.expire_due()
    assert standing() is None
    let_time_pass(minutes=2)
    locks.expire_due()
    assert standing() == ("Ada Marsh", True)
    assert locks.standing_in_the_way(target, by=ben)
    lock = locks.confirm(Lock.objects.get(), by=ada)
    row.refresh_from_db()
    assert (lock.until, lock.offered, lock.reason) == (row.ends, False, "acceptance")
    let_time_pass(hours=2)
    locks.expire_due()
    assert standing() is None
    assert how(row) == "kept"
    assert kinds() == ["lock.offered", "lock.handed_over", "lock.expired"]


def test_nobody_gets_in_between_its_start_and_the_next_look(target: Target, ada: User, ben: User) -> None:
    book("shop/staging", ada)
    let_time_pass(minutes=61)
    with pytest.raises(locks.Locked, match="offered to Ada Marsh"):
        locks.acquire(locks.of_target(target), by=ben, reason="me first", until=timezone.now() + HOUR)
    assert standing() == ("Ada Marsh", True)


def test_whoever_does_not_show_up_loses_it_to_the_next_in_line(target: Target, ada: User, ben: User) -> None:
    (row,) = book("shop/staging", ada, 1, 3)
    let_time_pass(minutes=61)
    locks.expire_due()
    locks.wait_in_line(locks.of_target(target), by=ben, wanted=HOUR, reason="next")
    let_time_pass(minutes=11)
    locks.expire_due()
    assert standing() == ("Ben Sato", True)
    assert how(row) == "missed"
    assert "lock.offer_lapsed" in kinds()


def test_while_somebody_else_holds_it_the_reservation_is_first_in_line(target: Target, ada: User, ben: User) -> None:
    lock = make_lock(target=target, by=ben, hours=8)
    cleo = make_user(username="cleo")
    locks.wait_in_line(locks.of_row(lock), by=cleo, wanted=HOUR, reason="waits since long")
    book("shop/staging", ada, 1, 3)
    let_time_pass(minutes=61)
    locks.expire_due()
    assert standing() == ("Ben Sato", False)
    assert [request.person for request in locks.in_line(["shop/staging"])] == [ada, cleo]
    locks.release(lock, by=ben)
    assert standing() == ("Ada Marsh", True)


def test_one_that_is_over_before_its_turn_comes_is_passed_and_told(target: Target, ada: User, ben: User) -> None:
    lock = make_lock(target=target, by=ben, hours=8)
    (row,) = book("shop/staging", ada, 1, 2)
    let_time_pass(minutes=61)
    locks.expire_due()
    let_time_pass(minutes=61)
    locks.release(lock, by=ben)
    assert standing() is None
    assert how(row) == "over"
    assert LockRequest.objects.get().how == "over"
    assert Event.objects.get(kind="reservation.unused").facts["to"] == "ada"


def test_when_nobody_looked_all_the_time_it_is_told_as_over(target: Target, ada: User) -> None:
    (row,) = book("shop/staging", ada, 1, 2)
    let_time_pass(hours=3)
    locks.expire_due()
    assert (standing(), how(row)) == (None, "over")


def test_who_holds_it_already_keeps_it_until_the_end_of_what_was_booked(target: Target, ada: User, ben: User) -> None:
    make_lock(target=target, by=ada, hours=1.5)
    (row,) = book("shop/staging", ada, 1, 3)
    let_time_pass(minutes=61)
    locks.expire_due()
    row.refresh_from_db()
    lock = Lock.objects.get()
    assert (lock.offered, lock.until, lock.reservation) == (False, row.ends, row)
    locks.release(lock, by=ada)
    assert how(row) == "given"


def test_both_are_warned_before_it_starts(target: Target, ada: User, ben: User) -> None:
    make_lock(target=target, by=ben, hours=8)
    book("shop/staging", ada)
    locks.expire_due()
    assert not Event.objects.filter(kind__startswith="reservation.", kind__endswith="n").exists()
    let_time_pass(minutes=46)
    locks.expire_due()
    locks.expire_due()
    assert Event.objects.get(kind="reservation.soon").facts["to"] == "ada"
    near = Event.objects.get(kind="reservation.near").facts
    assert (near["to"], near["held_by"], near["holder"]) == ("ben", "Ben Sato", "Ada Marsh")


def test_a_team_has_it_and_any_of_them_shows_up(target: Target, ada: User, ben: User) -> None:
    team = Team.objects.create(name="payments")
    with pytest.raises(locks.NotYours, match="none of the team"):
        book("shop/staging", ada, team=team)
    team.members.set([ada, ben])
    book("shop/staging", ada, team=team)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    let_time_pass(minutes=61)
    locks.expire_due()
    lock = locks.confirm(Lock.objects.get(), by=ben)
    assert (lock.team, lock.holder) == (team, ben)


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
def test_whoever_may_no_longer_lock_does_not_get_it(gone: str, target: Target, ada: User) -> None:
    (row,) = book("shop/staging", ada)
    if gone == "deleted":
        ada.delete()
    else:
        User.objects.filter(pk=ada.pk).update(is_active=False)
    let_time_pass(minutes=61)
    locks.expire_due()
    assert (standing(), how(row)) == (None, "gone")


@pytest.mark.parametrize("wanted", ["shop/staging", "staging", "*"])
def test_a_time_is_booked_once_also_in_wider_and_narrower_scopes(
    wanted: str, target: Target, ada: User, ben: User
) -> None:
    (first,) = book("shop/staging", ada, 2, 4)
    for start, end in ((1, 2.5), (2, 4), (2.5, 3), (3.5, 5), (1, 5)):
        with pytest.raises(locks.Reserved, match=r"shop/staging is reserved by Ada Marsh, .*: acceptance") as refused:
            book(wanted, ben, start, end)
        assert refused.value.reservation == first
    assert Reservation.objects.count() == 1
    book(wanted, ben, starts=first.starts - HOUR, ends=first.starts)
    book(wanted, ben, starts=first.ends, ends=first.ends + HOUR)


def test_ones_own_wider_reservation_is_not_in_the_way_and_another_place_is_not(
    target: Target, ada: User, ben: User
) -> None:
    make_target(application=target.application, environment=make_environment(name="dev"))
    book("shop/staging", ada)
    book("staging", ada)
    book("shop/dev", ben)
    with pytest.raises(locks.Reserved):
        book("staging", ada)
    with pytest.raises(locks.Reserved, match="staging"):
        book("*", ben)


def test_a_weekly_one_is_booked_whole_or_not_at_all(target: Target, ada: User, ben: User) -> None:
    last = (timezone.now() + timedelta(weeks=3, hours=2)).date()
    book("shop/staging", ben, 24 * 14 + 1.5, 24 * 14 + 3)
    with pytest.raises(locks.Reserved, match="Ben Sato"):
        book("shop/staging", ada, weekly_until=last, zone="UTC")
    assert Reservation.objects.count() == 1
    rows = book("shop/staging", ada, 3, 4, weekly_until=last, zone="UTC")
    assert len(rows) in (3, 4)  # by the hour of the day the last one is a day later
    assert len({row.series for row in rows}) == 1
    with pytest.raises(locks.Reserved, match="Ada Marsh"):
        book("shop/staging", ben, 24 * 7 + 3, 24 * 7 + 3.5)
    assert locks.cancel(rows[1], by=ada, later_too=True) == len(rows) - 1
    assert locks.cancel(rows[0], by=ada) == 1
    with pytest.raises(locks.ReservationGone, match="cancelled"):
        locks.cancel(rows[0], by=ada)


def test_it_moves_where_there_is_room(target: Target, ada: User, ben: User) -> None:
    (mine,), _ = book("shop/staging", ada), book("shop/staging", ben, 4, 6)
    start = mine.starts
    with pytest.raises(locks.Reserved, match="Ben Sato"):
        locks.move(mine, by=ada, starts=start + 4 * HOUR, ends=start + 5 * HOUR)
    with pytest.raises(locks.NotYours):
        locks.move(mine, by=ben, starts=start + 8 * HOUR, ends=start + 9 * HOUR)
    moved = locks.move(mine, by=ada, starts=start + HOUR / 2, ends=start + 2 * HOUR)  # over its own old time
    assert (moved.starts, moved.ends) == (start + HOUR / 2, start + 2 * HOUR)
    let_time_pass(hours=2)
    locks.expire_due()
    with pytest.raises(locks.ReservationGone, match="begun"):
        locks.move(mine, by=ada, starts=start + 20 * HOUR, ends=start + 21 * HOUR)
    with pytest.raises(locks.ReservationGone, match="begun"):
        locks.cancel(mine, by=ada)


def test_leaving_the_line_gives_it_up(target: Target, ada: User, ben: User) -> None:
    make_lock(target=target, by=ben, hours=8)
    (row,) = book("shop/staging", ada, 1, 3)
    let_time_pass(minutes=61)
    locks.expire_due()
    locks.leave_line(locks.of_target(target), by=ada)
    assert how(row) == "cancelled"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"start": -1}, locks.WrongEnd),
        ({"start": 2, "end": 2}, locks.WrongEnd),
        ({"start": 3, "end": 2}, locks.WrongEnd),
        ({"start": 24 * 500, "end": 24 * 501}, locks.WrongEnd),
        ({"end": 24 * 33}, locks.WrongEnd),
        ({"end": 24 * 8, "weekly_until": date(2199, 1, 1)}, locks.WrongEnd),
        ({"weekly_until": date(2199, 1, 1)}, locks.WrongEnd),
        ({"weekly_until": date(2001, 1, 1)}, locks.WrongEnd),
        ({"reason": " "}, locks.WrongWords),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, object], error: type[Exception], target: Target, ada: User) -> None:
    with pytest.raises(error):
        book("shop/staging", ada, **more)  # type: ignore[arg-type]
    assert not Reservation.objects.exists()
    assert not Event.objects.exists()


def test_for_somebody_else_takes_the_right_to_take_over(target: Target, ada: User, ben: User) -> None:
    with pytest.raises(NotAllowed):
        book("shop/staging", ada, holder=ben)
    boss = make_user(role="maintainer")
    (row,) = book("shop/staging", boss, holder=ben)
    assert (row.holder, row.booked_by_name) == (ben, boss.full_name)
    with pytest.raises(locks.NotYours):
        book("shop/staging", boss, 5, 6, holder=make_user(role="viewer"))
    with pytest.raises(NotAllowed):
        book("shop/staging", make_user(role="viewer"), 5, 6)
    assert locks.cancel(row, by=boss) == 1


BERLIN = ZoneInfo("Europe/Berlin")


def weekly(
    first: datetime, last: datetime, until: date, zone: str = "Europe/Berlin"
) -> list[tuple[datetime, datetime]]:
    return times_of(first, last, zone=zone, weekly_until=until)


def test_each_week_it_is_at_the_same_time_of_the_day_also_when_clocks_change() -> None:
    """In Berlin the clock goes forward on 28 March 2027 at 02:00, and back on 31 October at 03:00."""
    for first, hours in ((date(2027, 3, 25), (8, 7)), (date(2027, 10, 28), (7, 8))):
        start = datetime(first.year, first.month, first.day, 9, tzinfo=BERLIN)
        times = weekly(start, start + 2 * HOUR, first + timedelta(days=7))
        assert tuple(at.hour for at, _ in times) == hours
        assert {at.astimezone(BERLIN).hour for at, _ in times} == {9}
        assert all(end - at == 2 * HOUR for at, end in times)


def test_a_time_that_the_clock_leaves_out_is_an_hour_later_and_of_a_double_one_it_is_the_first() -> None:
    start = datetime(2027, 3, 21, 2, 30, tzinfo=BERLIN)
    _, (begin, end) = weekly(start, start + HOUR / 4, date(2027, 3, 28))
    assert (begin, end) == (datetime(2027, 3, 28, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 45, tzinfo=UTC))
    _, (begin, end) = weekly(start, start + HOUR, date(2027, 3, 28))  # 02:30, which is 03:30 that day, to 03:30
    assert (begin, end) == (datetime(2027, 3, 28, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 2, 30, tzinfo=UTC))
    start = datetime(2027, 10, 24, 2, 30, tzinfo=BERLIN)
    _, (begin, end) = weekly(start, start + HOUR / 4, date(2027, 10, 31))
    assert (begin, end) == (datetime(2027, 10, 31, 0, 30, tzinfo=UTC), datetime(2027, 10, 31, 0, 45, tzinfo=UTC))


def test_a_year_of_weeks_is_the_most() -> None:
    start = datetime(2027, 1, 4, 9, tzinfo=UTC)
    last = (start + timedelta(weeks=MOST_TIMES - 1)).date()
    assert len(weekly(start, start + HOUR, last)) == MOST_TIMES
    with pytest.raises(locks.WrongEnd):
        weekly(start, start + HOUR, last + timedelta(days=7))
