"""Any order of acquiring, waiting, confirming, extending, taking over and time: a model beside the real verbs and rows.

Time passes by moving what rows know of it; a kill is a sweep that nobody makes, or one that dies half way.
"""

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
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from environments import locks
from environments.access import NotAllowed
from environments.locks import ending
from environments.models import Lock, LockRequest, User
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
class Truth:
    """What must be so: who has it, until which minute, and who waits."""

    now: int = 0
    holder: int | None = None
    until: int = 0
    offered: bool = False
    wanted: int = 0
    line: list[tuple[int, int]] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return self.holder is not None and self.now < self.until

    def settle(self) -> None:
        """What a look at the locks does."""
        while self.holder is not None and not self.held:
            self.pass_on()
        if self.holder is None and self.line:
            self.pass_on()

    def pass_on(self) -> None:
        self.holder, self.offered = None, False
        if self.line:
            self.holder, self.wanted = self.line.pop(0)
            self.offered, self.until = True, self.now + site.LOCK_CONFIRM_MINUTES


class LockMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()
        self.world.__enter__()
        self.target = make_target()
        self.people = [make_user(role="maintainer") for _ in range(PEOPLE)]
        self.scope = locks.of_target(self.target)
        self.truth = Truth()

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
        if truth.holder is not None and not truth.held:
            truth.pass_on()  # to acquire settles the scope by the way; one that lapses at once cannot be
        may = truth.holder is None
        until, by = self.end_of(minutes), self.people[who]
        self.attempt(lambda: locks.acquire(self.scope, by=by, reason="mine", until=until), may=may)
        if may:
            truth.holder, truth.until, truth.offered = who, truth.now + minutes, False

    @rule(who=SOMEBODY, minutes=MINUTES)
    def wait(self, who: int, minutes: int) -> None:
        truth = self.truth
        if truth.holder is not None and not truth.held:
            truth.pass_on()
        may = truth.held and truth.holder != who and who not in [one for one, _ in truth.line]
        wanted, by = timedelta(minutes=minutes), self.people[who]
        self.attempt(lambda: locks.wait_in_line(self.scope, by=by, wanted=wanted, reason="next"), may=may)
        if may:
            truth.line.append((who, minutes))
        else:
            locks.expire_due()  # a refusal has taken back what it settled by the way

    @rule(who=SOMEBODY)
    def leave(self, who: int) -> None:
        may = who in [one for one, _ in self.truth.line]
        self.attempt(lambda: locks.leave_line(self.scope, by=self.people[who]), may=may)
        self.truth.line = [(one, minutes) for one, minutes in self.truth.line if one != who]

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
            self.truth.offered, self.truth.until = False, self.truth.now + self.truth.wanted

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
            self.truth.holder, self.truth.until, self.truth.offered = who, self.truth.now + minutes, False

    @rule(minutes=MINUTES)
    def let_time_pass(self, minutes: int) -> None:
        """And nobody looks: as when all workers are dead."""
        let_time_pass(minutes=minutes)
        self.truth.now += minutes

    @rule()
    def look(self) -> None:
        locks.expire_due()
        self.truth.settle()

    @rule()
    def look_and_die_half_way(self) -> None:
        """A worker that is killed between two statements has done nothing."""
        with pytest.MonkeyPatch.context() as patch:

            def die(*_: object, **__: object) -> None:
                raise Died

            patch.setattr(ending, "hand_over", die)
            try:
                locks.expire_due()
            except Died:
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
        waiting = LockRequest.objects.filter(ended_at=None).order_by("pk").select_related("person")
        assert [self.people.index(row.person) for row in waiting] == [one for one, _ in self.truth.line]

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
                max_examples=25,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
