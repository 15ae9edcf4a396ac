"""Who holds a lock's row and who holds a target's never wait for each other, whoever came first."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from deployments import lifecycle
from deployments.lifecycle import ending, starting, unlocking
from deployments.models import Deploy
from environments import locks
from environments.models import Lock, Target, User
from tests.builders import make_deploy, make_environment, make_host, make_lock, make_run, make_target, make_user
from tests.patience import eventually

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


class Meeting:
    """Two threads: the first stands still in its transaction until the other waits for it, or is done."""

    def __init__(self) -> None:
        self.first_is_there = threading.Event()
        self.second_is_there = threading.Event()

    def stand_still(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def stopped(*args: Any, **kwargs: Any) -> Any:
            self.first_is_there.set()
            if connection.vendor == "postgresql":  # SQLite has one writer at a time, who would wait in vain
                eventually(lambda: self.second_is_there.is_set() or _somebody_waits(), what="the second to come")
            return act(*args, **kwargs)

        return stopped

    def come_by(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            self.second_is_there.set()
            return act(*args, **kwargs)

        return noted

    def hold(self, first: Callable[[], object], second: Callable[[], object]) -> None:
        def follow() -> None:
            assert self.first_is_there.wait(90)
            try:
                second()
            finally:
                self.second_is_there.set()

        def closed(act: Callable[[], object]) -> None:
            try:
                act()
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(closed, first), pool.submit(closed, follow)]:
                future.result(120)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.fixture
def target() -> Target:
    return make_target(environment=make_environment(name="live", protected=True))


@pytest.fixture
def ada() -> User:
    return make_user(username="ada")


def automatic(target: Target, status: str = "running", **fields: Any) -> Deploy:
    deploy = make_deploy(target=target, status=status, automatic=True, **fields)
    make_run(deploy=deploy, host=make_host(environment=target.environment), status="failed")
    return deploy


@pytest.mark.parametrize("first", ["unlock", "end"])
def test_unlocking_what_the_deployer_closed_and_a_deploy_that_closes_it(
    first: str, target: Target, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = automatic(target)
    closed = locks.close_to_machines(locks.of_target(target), reason="an earlier one went wrong")
    assert closed is not None
    held = automatic(target, "waiting", met_lock=closed)
    meeting = Meeting()
    steps = {"unlock": (unlocking, "_decide_all"), "end": (ending, "_close_to_machines")}
    for name, (module, step) in steps.items():
        wrapped = meeting.stand_still if name == first else meeting.come_by
        monkeypatch.setattr(module, step, wrapped(getattr(module, step)))
    acts: dict[str, Callable[[], object]] = {
        "unlock": lambda: lifecycle.unlock(Lock.objects.get(pk=closed.pk), by=ada, held="drop"),
        "end": lambda: lifecycle.end(running, "failed", "It went wrong."),
    }
    meeting.hold(acts.pop(first), *acts.values())
    assert [Deploy.objects.get(pk=one.pk).status for one in (running, held)] == ["failed", "cancelled"]
    assert Lock.objects.get(pk=closed.pk).how == "released"
    # who unlocked first has not seen that it went wrong again; who unlocked last has
    assert Lock.objects.filter(released_at=None).count() == (first == "unlock")


@pytest.mark.parametrize("first", ["unlock", "start"])
def test_a_lock_that_is_passed_on_and_a_deploy_that_starts(
    first: str, target: Target, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next in line is offered it; what waited starts before that, or does not."""
    ben, cem = make_user(username="ben"), make_user(username="cem")
    lock = make_lock(target=target, by=ada)
    locks.wait_in_line(locks.of_target(target), by=ben, wanted=timedelta(hours=1), reason="next")
    waits = make_deploy(target=target, status="waiting", by=cem)
    make_run(deploy=waits, host=make_host(environment=target.environment), status="pending")
    held = automatic(target, "waiting", met_lock=lock)
    meeting = Meeting()
    steps = {"unlock": (unlocking, "_decide_all"), "start": (starting, "next_waiting")}
    for name, (module, step) in steps.items():
        wrapped = meeting.stand_still if name == first else meeting.come_by
        monkeypatch.setattr(module, step, wrapped(getattr(module, step)))
    acts: dict[str, Callable[[], object]] = {
        "unlock": lambda: lifecycle.unlock(Lock.objects.get(pk=lock.pk), by=ada, held="drop"),
        "start": lambda: lifecycle.start_waiting(waits),
    }
    if first == "start":
        Lock.objects.filter(pk=lock.pk).update(kind="warning")
    meeting.hold(acts.pop(first), *acts.values())
    assert Deploy.objects.get(pk=held.pk).status == "cancelled"
    assert Lock.objects.get(pk=lock.pk).how == "released"
    # the next in line is offered the lock in the transaction in which it ends: nobody slips through in between
    assert Deploy.objects.get(pk=waits.pk).status == ("running" if first == "start" else "waiting")
    assert Lock.objects.get(released_at=None).holder == ben
