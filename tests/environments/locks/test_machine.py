"""Any order of acquiring, waiting, booking, confirming, extending, taking over and time: a model beside verbs and rows.

Time passes by moving what rows know of it; a kill is a sweep that nobody makes, or one that dies half way.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.conf import settings as site
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from environments import locks
from environments.access import NotAllowed
from environments.locks import ending
from environments.models import Lock, Reservation, User
from notifications.models import Event
from tests.builders import make_target, make_user
from tests.environments.locks.test_holding import let_time_pass

PEOPLE = 4
MINUTES = st.integers(1, 240)
SOMEBODY = st.integers(0, PEOPLE - 1)
pytestmark = pytest.mark.both_databases


class Died(Exception):
    pass


@dataclass
class Booked:
    """A reservation."""

    who: int
    start: int
    end: int
    begun: bool = False
    over: bool = False


@dataclass
class Waits:
    """A place in line: how long it is wanted, or what was booked, or both."""

    who: int
    wanted: int | None
    booked: Booked | None = None


@dataclass
class Truth:
    """What must be so: who has it, until which minute, who waits, and who has booked it for when."""

    now: int = 0
    holder: int | None = None
    until: int = 0
    offered: bool = False
    wanted: int | None = None
    booked: Booked | None = None
    line: list[Waits] = field(default_factory=list)
    bookings: list[Booked] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return self.holder is not None and self.now < self.until

    @property
    def in_order(self) -> list[Waits]:
        """What was booked goes before who only waits."""
        return sorted(self.line, key=lambda one: (one.booked is None, one.booked.start if one.booked else 0))

    def settle(self) -> None:
        """What a look at the locks does."""
        if self.holder is not None and not self.held:
            self.end()
        self.begin()
        if self.holder is None:
            self.hand_over()

    def end(self) -> None:
        if self.booked:
            self.booked.over = True
        self.holder, self.offered, self.booked, self.wanted = None, False, None, None

    def pass_on(self) -> None:
        self.end()
        self.begin()
        self.hand_over()

    def begin(self) -> None:
        """Whose time has come keeps what they hold, or goes first in line."""
        for one in sorted(self.bookings, key=lambda one: one.start):
            if one.begun or one.over or one.start > self.now:
                continue
            one.begun = True
            if one.end <= self.now:
                one.over = True
            elif self.held and self.holder == one.who and self.booked is None:
                self.booked = one
                self.until = self.until if self.offered else max(self.until, one.end)
            else:
                self._line_up(one)

    def _line_up(self, one: Booked) -> None:
        mine = next((place for place in self.line if place.who == one.who), None)
        if mine and mine.booked is None:
            mine.booked = one
            return
        if mine and mine.booked:
            mine.booked.over = True
            self.line.remove(mine)
        self.line.append(Waits(one.who, None, one))

    def hand_over(self) -> None:
        for place in self.in_order:
            self.line.remove(place)
            if place.booked and place.booked.end <= self.now:
                place.booked.over = True
                continue
            end = self.now + site.LOCK_CONFIRM_MINUTES
            self.holder, self.offered, self.booked, self.wanted = place.who, True, place.booked, place.wanted
            self.until = min(end, place.booked.end) if place.booked else end
            return

    def is_free(self, start: int, end: int, but: Booked | None = None) -> bool:
        """A booking that ends in the minute in which an earlier one starts is some moments too late."""
        there = [one for one in self.bookings if one is not but and not one.over and one.end > self.now]
        return not any(start < one.end and end >= one.start for one in there)


class LockMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()
        self.world.__enter__()
        self.target = make_target()
        self.people = [make_user(role="maintainer") for _ in range(PEOPLE)]
        self.scope = locks.of_target(self.target)
        self.truth = Truth()
        self.rows: list[Reservation] = []  # in the order of the model's bookings

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    def lock(self) -> Lock | None:
        return Lock.objects.filter(scope=self.scope.text).select_related("holder", "target", "environment").first()

    def attempt(self, act: Callable[[], object], *, may: bool) -> None:
        refused = ""
        try:
            act()
        except (locks.LockError, NotAllowed) as refusal:
            refused = str(refusal)
        assert bool(refused) != may, refused or "it should have been refused"

    def end_of(self, minutes: int) -> datetime:
        return timezone.now() + timedelta(minutes=minutes)

    @rule(who=SOMEBODY, minutes=MINUTES)
    def acquire(self, who: int, minutes: int) -> None:
        truth = self.truth
        truth.settle()  # to acquire does so by the way
        may = truth.holder is None
        until, by = self.end_of(minutes), self.people[who]
        self.attempt(lambda: locks.acquire(self.scope, by=by, reason="mine", until=until), may=may)
        if may:
            truth.holder, truth.until, truth.offered = who, truth.now + minutes, False

    @rule(who=SOMEBODY, minutes=MINUTES)
    def wait(self, who: int, minutes: int) -> None:
        truth = self.truth
        truth.settle()
        may = truth.held and truth.holder != who and who not in [one.who for one in truth.line]
        wanted, by = timedelta(minutes=minutes), self.people[who]
        self.attempt(lambda: locks.wait_in_line(self.scope, by=by, wanted=wanted, reason="next"), may=may)
        if may:
            truth.line.append(Waits(who, minutes))
        else:
            locks.expire_due()  # a refusal has taken back what it settled by the way

    @rule(who=SOMEBODY)
    def leave(self, who: int) -> None:
        mine = next((one for one in self.truth.line if one.who == who), None)
        self.attempt(lambda: locks.leave_line(self.scope, by=self.people[who]), may=mine is not None)
        if mine:
            self.truth.line.remove(mine)
            if mine.booked:
                mine.booked.over = True

    @rule(who=SOMEBODY)
    def release(self, who: int) -> None:
        lock = self.lock()
        if lock is None:
            return
        may = self.truth.held and self.truth.holder == who
        self.attempt(lambda: locks.release(lock, by=self.people[who]), may=may)
        if may:
            self.truth.pass_on()

    @rule(who=SOMEBODY)
    def confirm(self, who: int) -> None:
        lock = self.lock()
        if lock is None:
            return
        may = self.truth.held and self.truth.offered and self.truth.holder == who
        self.attempt(lambda: locks.confirm(lock, by=self.people[who]), may=may)
        if may:
            truth, ends = self.truth, []
            ends += [truth.now + truth.wanted] if truth.wanted is not None else []
            ends += [truth.booked.end] if truth.booked else []
            truth.offered, truth.until = False, max(ends)

    @rule(who=SOMEBODY, minutes=MINUTES)
    def extend(self, who: int, minutes: int) -> None:
        lock, truth = self.lock(), self.truth
        if lock is None:
            return
        later = truth.now + minutes >= truth.until  # the same minute is some moments later by now
        may = truth.held and not truth.offered and truth.holder == who and later
        self.attempt(lambda: locks.extend(lock, by=self.people[who], until=self.end_of(minutes)), may=may)
        if may:
            truth.until = truth.now + minutes

    @rule(who=SOMEBODY, minutes=MINUTES)
    def take(self, who: int, minutes: int) -> None:
        lock = self.lock()
        if lock is None:
            return
        may = self.truth.held and self.truth.holder != who
        until, by = self.end_of(minutes), self.people[who]
        self.attempt(lambda: locks.take(lock, by=by, reason="now", until=until), may=may)
        if may:
            self.truth.end()
            self.truth.holder, self.truth.until = who, self.truth.now + minutes

    @rule(who=SOMEBODY, start=MINUTES, length=MINUTES)
    def book(self, who: int, start: int, length: int) -> None:
        self._book(who, start, length)

    @precondition(lambda self: any(not one.begun and not one.over for one in self.truth.bookings))
    @rule(which=st.integers(0, 5), who=SOMEBODY, ahead=st.integers(-30, 30), length=MINUTES)
    def book_beside_or_over_another(self, which: int, who: int, ahead: int, length: int) -> None:
        """By chance alone two bookings hardly ever meet."""
        there = [one for one in self.truth.bookings if not one.begun and not one.over]
        start = there[which % len(there)].start - self.truth.now + ahead
        self._book(who, max(start, 1), length)

    def _book(self, who: int, start: int, length: int) -> None:
        truth = self.truth
        may = truth.is_free(truth.now + start, truth.now + start + length)
        by, starts, ends = self.people[who], self.end_of(start), self.end_of(start + length)

        def act() -> None:
            self.rows.extend(locks.book(self.scope, by=by, reason="later", starts=starts, ends=ends))

        self.attempt(act, may=may)
        if may:
            truth.bookings.append(Booked(who, truth.now + start, truth.now + start + length))

    @rule(which=st.integers(0, 5), who=SOMEBODY, start=MINUTES, length=MINUTES)
    def move(self, which: int, who: int, start: int, length: int) -> None:
        if which >= len(self.rows):
            return
        truth, booked = self.truth, self.truth.bookings[which]
        begin, end = truth.now + start, truth.now + start + length
        # all of them are maintainers, who may move what others have booked
        may = not booked.begun and not booked.over and truth.is_free(begin, end, booked)
        row, by, times = self.rows[which], self.people[who], (self.end_of(start), self.end_of(start + length))
        self.attempt(lambda: locks.move(row, by=by, starts=times[0], ends=times[1]), may=may)
        if may:
            booked.start, booked.end = begin, end

    @rule(which=st.integers(0, 5), who=SOMEBODY)
    def cancel(self, which: int, who: int) -> None:
        if which >= len(self.rows):
            return
        booked = self.truth.bookings[which]
        may = not booked.begun and not booked.over
        self.attempt(lambda: locks.cancel(self.rows[which], by=self.people[who]), may=may)
        booked.over = booked.over or may

    @rule(minutes=MINUTES)
    def let_time_pass(self, minutes: int) -> None:
        """And nobody looks: as when all workers are dead."""
        self._wait(minutes)

    def _wait(self, minutes: int) -> None:
        let_time_pass(minutes=minutes)
        self.truth.now += minutes

    @rule()
    def look(self) -> None:
        locks.expire_due()
        self.truth.settle()

    @precondition(lambda self: any(not one.begun and not one.over for one in self.truth.bookings))
    @rule(which=st.integers(0, 5))
    def nobody_shows_up(self, which: int) -> None:
        """What was booked begins, and nobody confirms it for as long as one may."""
        there = [one for one in self.truth.bookings if not one.begun and not one.over]
        for minutes in (max(there[which % len(there)].start - self.truth.now, 0) + 1, site.LOCK_CONFIRM_MINUTES + 1):
            self._wait(minutes)
            locks.expire_due()
            self.truth.settle()

    @rule()
    def look_and_die_half_way(self) -> None:
        """A worker that is killed between two statements has done nothing of what it was at."""
        with pytest.MonkeyPatch.context() as patch:

            def die(*_: object, **__: object) -> None:
                raise Died

            patch.setattr(ending, "hand_over", die)
            try:
                locks.expire_due()
            except Died:
                if self.truth.holder is None or self.truth.held:
                    self.truth.begin()  # which was done before, by itself
                return
        self.truth.settle()

    @invariant()
    def what_is_true_is_what_the_model_says(self) -> None:
        rows = list(locks.held().filter(scope=self.scope.text).select_related("holder"))
        assert len(rows) <= 1
        standing = [(self.people.index(self.named(row)), row.offered) for row in rows]
        truth = self.truth
        assert standing == ([(truth.holder, truth.offered)] if truth.held else [])
        for n, person in enumerate(self.people):
            stopped = bool(locks.standing_in_the_way(self.target, by=person))
            assert stopped == (truth.held and truth.holder != n)

    @invariant()
    def those_who_wait_are_in_the_order_in_which_they_came(self) -> None:
        waiting = locks.in_line([self.scope.text])
        assert [self.people.index(row.person) for row in waiting] == [one.who for one in self.truth.in_order]

    @invariant()
    def what_is_booked_begins_and_ends_as_the_model_says(self) -> None:
        rows = Reservation.objects.order_by("pk").values_list("began_at", "ended_at")
        assert [(bool(began), bool(ended)) for began, ended in rows] == [
            (one.begun, one.over) for one in self.truth.bookings
        ]

    @invariant()
    def every_end_has_one_event(self) -> None:
        kinds = ("lock.released", "lock.declined", "lock.expired", "lock.offer_lapsed", "lock.taken_over")
        assert Event.objects.filter(kind__in=kinds).count() == Lock.objects.exclude(released_at=None).count()

    def named(self, lock: Lock) -> User:
        assert lock.holder is not None
        return lock.holder


class TestLocks(TestCase):
    def test_any_order(self) -> None:
        run_state_machine_as_test(
            LockMachine,
            settings=settings(
                max_examples=int(os.environ.get("MACHINE_EXAMPLES", "15")),
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
