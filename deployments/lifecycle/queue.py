"""Whose turn is next, and moving to the front."""

from django.db import transaction
from django.db.models import Max

from deployments import live, log, turns
from deployments.closed_times import closed
from deployments.doorbell import ring
from deployments.lifecycle.moves import lock as lock_target
from deployments.lifecycle.moves import record
from deployments.models import Deploy
from deployments.refusals import NothingToMove
from environments import access, locks
from environments.models import Target, User


def next_waiting(target: Target) -> Deploy | None:
    """The deploy whose turn is next: a rollback, then in the order in which they were requested, or moved to the front.

    One that a lock holds has no turn; one whom a lock, a closed time or a lacking approval stops lets others pass.
    """
    related = ("target__application", "target__environment", "target__approvers", "by", "let_go_by", "met_lock")
    rows = turns.in_order(turns.waiting(target)).select_related(*related, "release", "of")
    return turns.first_of(rows, target, locks.applying(target), shut=bool(closed(target)))


def move_to_front(deploy: Deploy, *, by: User) -> None:
    """Let it go before all others that wait there, but for rollbacks. Raises NothingToMove, NotAllowed."""
    access.require(by, access.REORDER, deploy.target)
    with transaction.atomic():
        lock_target(deploy.target)
        rows = turns.waiting(deploy.target)
        first = turns.in_order(rows).first()
        if first is None or not rows.filter(pk=deploy.pk).exists():
            raise NothingToMove(f"#{deploy.number} of {deploy.target.slug} does not wait for its turn (any more).")
        if first.pk == deploy.pk:
            raise NothingToMove(f"#{deploy.number} of {deploy.target.slug} is first in line already.")
        most = rows.aggregate(most=Max("front"))["most"]
        Deploy.objects.filter(pk=deploy.pk).update(front=most + 1)
        record(deploy, "deploy.moved_to_front", by=by)
        log.say(deploy, f"{by.full_name} moved it to the front of those that wait.")
        transaction.on_commit(lambda: ring(deploy.pk))
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))
