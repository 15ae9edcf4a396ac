"""Releasing a lock together with the choice about the deploys that met it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from deployments.blockers import Blocked
from deployments.doorbell import ring
from deployments.lifecycle import holding
from deployments.lifecycle.moves import lock as lock_target
from deployments.lifecycle.moves import lock_targets
from deployments.models import Deploy
from deployments.states import DeployStatus
from deployments.untold import untold_of_waiting
from environments import locks, sight
from environments.models import Answer, Lock, LockQuestion, User

HELD = ("deploy", "drop", "leave")


def held_by(lock: Lock) -> list[Deploy]:
    """The deploys that met this lock and wait for somebody's word, the newest of each target."""
    return held_by_any([lock.pk], viewer=None)


def held_by_any(locks_met: Collection[int] | None, *, viewer: User | None) -> list[Deploy]:
    """Those that met one of these locks (None: any lock at all) and that `viewer` may see; None sees all."""
    met: dict[str, Any] = {"met_lock__isnull": False} if locks_met is None else {"met_lock__in": locks_met}
    rows = Deploy.objects.filter(sight.of_targets(viewer, "target__"), status=DeployStatus.WAITING, **met)
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock", "release")
    return list(rows.select_related(*related).defer(*untold_of_waiting()).order_by("target_id", "number"))


def unlock(lock: Lock, *, by: User, held: str = "leave") -> None:
    """Release a lock, and say what becomes of the deploys that it held: deploy, drop or leave them.

    One that meets another lock as well stays held by that one. Raises as locks.release does, and NotAllowed.
    """
    with transaction.atomic():
        _hold_targets(lock)
        locks.release(lock, by=by)
        _decide_all(lock, held, by)
    _ring_waiting(lock)


def _hold_targets(lock: Lock) -> None:
    """Targets before locks, as at the end of a deploy that closes its target: else they wait for each other."""
    wanted = {deploy.target_id for deploy in held_by(lock)} | ({lock.target_id} if lock.target_id else set())
    lock_targets(wanted)


def _decide_all(lock: Lock, held: str, by: User) -> None:
    if held not in HELD:
        raise ValueError(f"{held!r} is none of {', '.join(HELD)}.")
    for deploy in held_by(lock):
        _decide(deploy, held, by)


def _decide(deploy: Deploy, held: str, by: User) -> None:
    if held == "drop":
        return holding.drop(deploy, by=by)
    if held == "leave":
        return holding.leave(deploy)
    try:
        with transaction.atomic():
            holding.let_go(deploy, by=by)
    except Blocked as other:
        _meet_next(deploy, other)


def _meet_next(deploy: Deploy, other: Blocked) -> None:
    """Another lock stands in the way of who unlocked: it is that one's to decide."""
    met = next(it.lock for it in other.blockers if it.lock)
    lock_target(deploy.target)
    Deploy.objects.filter(pk=deploy.pk, met_lock__isnull=False).update(met_lock=None)
    holding.hold(deploy, met)


def answer(question: LockQuestion, what: str, *, by: User, until: datetime | None = None, held: str = "leave") -> None:
    """Answer who asked for a lock; to release it is also to say what becomes of the deploys that it held."""
    with transaction.atomic():
        if what == Answer.RELEASE:
            _hold_targets(question.lock)
        locks.answer(question, what, by=by, until=until)
        if what == Answer.RELEASE:
            _decide_all(question.lock, held, by)
    _ring_waiting(question.lock)


def follow_link(link: locks.Link, *, held: str = "leave") -> None:
    """Do what a link in a message does, as the person for whom it was made; once.

    Raises LinkUnusable, and as `answer`, `unlock` and locks.extend do.
    """
    lock, by = link.lock, link.person
    with transaction.atomic():
        if link.act == Answer.RELEASE:
            _hold_targets(lock)
        locks.spend(link)
        if link.question is not None:
            locks.answer(link.question, link.act, by=by, until=link.until)
        elif link.act == Answer.RELEASE:
            locks.release(lock, by=by)
        else:
            locks.extend(lock, by=by, until=link.until)
        if link.act == Answer.RELEASE:
            _decide_all(lock, held, by)
    if link.act == Answer.RELEASE:
        _ring_waiting(lock)


def look_after_locks() -> None:
    """Write down what has ended, offer it to who waits, remind holders; deploys that were held say that they stay."""
    for lock in locks.expire_due():
        for deploy in held_by(lock):
            holding.leave(deploy)
        _ring_waiting(lock)


def _ring_waiting(lock: Lock) -> None:
    """What people wait for may start now; a sweep would find it, too."""
    rows = Deploy.objects.filter(status=DeployStatus.WAITING, met_lock=None)
    if lock.target_id:
        rows = rows.filter(target=lock.target_id)
    elif lock.environment_id:
        rows = rows.filter(target__environment=lock.environment_id)
    for deploy_id in rows.order_by("pk").values_list("pk", flat=True)[:100]:
        ring(deploy_id)
