"""R23, R24: whoever held a lock is gone; a thousand change locks at once, by right and by wrong."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from deployments import lifecycle
from deployments.blockers import Blocked
from deployments.states import ACTIVE
from environments import locks
from environments.access import NotAllowed
from environments.models import Lock, LockQuestion, LockRequest, Target, User
from notifications.models import Event
from tests.builders import make_lock, make_target, make_user
from tests.chaos.cluster import Cluster, await_ends, runs_of, warm_up
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request

UPDATES = 1_000
THREADS = 20

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r23_the_process_that_holds_a_run_lock_is_killed(cluster: Cluster, chance: random.Random) -> None:
    """The target is free again in time, for the next deploy as well."""
    (place,) = cluster.places(1)
    cluster.start(2)
    warm_up([place])
    freed = [0.0]
    for _ in range(runs_of(20)):
        deploy = request(place)
        time.sleep(chance.uniform(0, 4))
        held = deploy.runs.exclude(claimed_by=None).values_list("claimed_by__name", flat=True).first() or ""
        victims = [one for one in cluster.workers if held.endswith(f":{one.pid}")] or cluster.workers[:1]
        cluster.kill(victims[0])
        killed = time.monotonic()
        waiting = request(place, wait=True)
        await_ends([deploy])
        freed.append(time.monotonic() - killed)
        await_ends([waiting])
        cluster.start(1)
    print(f"R23: {runs_of(20)} processes that held a run lock were killed: freed after {max(freed):.1f} s at most")


def test_r23_a_person_who_holds_a_lock_is_deleted(make_place: MakeFleetTarget) -> None:
    """It bars as before, says whose it was and until when, and ends by its time or by an administrator."""
    place, boss = make_place(hosts=1), make_user(role="administrator")
    for hours in (1, None):
        gone = make_user(username=f"gone-{hours}")
        until = None if hours is None else timezone.now() + timedelta(hours=hours)
        lock = make_lock(target=place.target, by=gone, until=until)
        name = gone.full_name
        gone.delete()
        with pytest.raises(Blocked, match=f"is locked by {name}, who is no longer here") as refused:
            request(place)
        told = refused.value.blockers[0]
        assert (told.who, told.until) == (name, until.isoformat() if until else "")
        locks.expire_due()
        assert Lock.objects.get(pk=lock.pk).released_at is None, "never freed in silence"
        with pytest.raises(locks.NotYours):
            lifecycle.unlock(Lock.objects.get(pk=lock.pk), by=place.by)
        lifecycle.unlock(Lock.objects.get(pk=lock.pk), by=boss)
        assert Event.objects.filter(kind="lock.released", actor=boss.username).count() == (1 if hours else 2)
    assert request(place).status in ACTIVE
    print("R23: locks of people who are gone stayed, told until when, and were cleared by an administrator alone")


def test_r24_a_thousand_changes_and_none_is_lost(chance: random.Random) -> None:
    """Each that was granted has its event, each that was not has changed nothing; the rows are what the events tell."""
    target = make_target()
    owner, boss = make_user(username="owner"), make_user(username="boss", role="administrator")
    others = [make_user(username=f"other-{n}") for n in range(3)]
    viewer = make_user(username="viewer", role="viewer")
    people = [owner, boss, *others, viewer]
    answers: Counter[str] = Counter()
    began = time.monotonic()
    for _ in range(UPDATES // THREADS):
        acts = [_choose(target, chance, people) for _ in range(THREADS)]
        answers += _at_once(acts)
        assert Lock.objects.filter(released_at=None).count() <= 1
    _check(answers)
    refused = answers["refused"]
    told = f"R24: {UPDATES} changes by {THREADS} threads in {time.monotonic() - began:.0f} s, {refused} refused"
    print(f"{told}; 0 lost, each that was granted is an event: {dict(answers)}")


def _choose(target: Target, chance: random.Random, people: Sequence[User]) -> Callable[[], str]:
    """One change that somebody tries, whoever may, half of them the holder; the answer is the kind of its event."""
    somebody, word = chance.choice(people), chance.choice(("lock", "unlock", "extend", "take", "ask", "wait"))
    minutes, holds = chance.randrange(60, 600), chance.random() < 0.5

    def act() -> str:
        scope, until = locks.of_target(target), timezone.now() + timedelta(minutes=minutes)
        found = locks.held().filter(scope=scope.text).select_related("holder").first()
        by = found.holder if holds and found is not None and found.holder is not None else somebody
        if word == "lock" or found is None:
            locks.acquire(scope, by=by, reason="a change", until=until)
            return "lock.acquired"
        if word == "unlock":
            lifecycle.unlock(found, by=by)
            return "lock.declined" if found.offered else "lock.released"
        if word == "extend":
            locks.extend(found, by=by, until=until)
            return "lock.extended"
        if word == "take":
            locks.take(found, by=by, reason="a change")
            return "lock.taken_over"
        if word == "ask":
            locks.ask(found, by=by, text="a change")
            return "lock.asked"
        locks.wait_in_line(scope, by=by, wanted=timedelta(hours=1), reason="a change")
        return "lock.waits"

    return act


def _at_once(acts: Sequence[Callable[[], str]]) -> Counter[str]:
    together = Barrier(len(acts))

    def run(act: Callable[[], str]) -> str:
        try:
            together.wait(60)
            return act()
        except (locks.LockError, NotAllowed):
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return Counter(pool.map(run, acts))


def _check(answers: Counter[str]) -> None:
    """Events count as often as was granted, and rows as often as events tell."""
    for kind in ("acquired", "released", "declined", "extended", "taken_over", "asked", "waits"):
        assert Event.objects.filter(kind=f"lock.{kind}").count() == answers[f"lock.{kind}"], kind
    offered = Event.objects.filter(kind="lock.offered").count()
    assert Lock.objects.count() == answers["lock.acquired"] + answers["lock.taken_over"] + offered
    ended = Lock.objects.exclude(released_at=None)
    assert ended.filter(how="released").count() == answers["lock.released"] + answers["lock.declined"]
    assert ended.filter(how="taken").count() == answers["lock.taken_over"]
    assert LockQuestion.objects.count() == answers["lock.asked"]
    assert LockRequest.objects.count() == answers["lock.waits"]
    assert LockRequest.objects.filter(how="offered").count() == offered
    wrong = Event.objects.filter(kind__in=("lock.released", "lock.taken_over", "lock.extended"), actor="viewer")
    assert not wrong.exists(), "a viewer may look"
