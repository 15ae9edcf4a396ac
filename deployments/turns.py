"""Who of those that wait has a turn: one that a lock holds has none, and one whom a lock stops lets others pass."""

from collections.abc import Sequence

from django.db.models import QuerySet

from deployments.models import Deploy
from deployments.states import DeployStatus
from environments import locks
from environments.models import Lock, LockKind, Target


def waiting(target: Target) -> QuerySet[Deploy]:
    """All that wait for their turn there."""
    return Deploy.objects.filter(target=target, status=DeployStatus.WAITING, met_lock=None)


def first_of(rows: QuerySet[Deploy], standing: Sequence[Lock]) -> Deploy | None:
    """The first of `rows` that no lock of `standing` stops. One query, unless there are locks."""
    if not standing:
        return rows.first()
    able = (deploy for deploy in rows.select_related("by", "let_go_by") if not _is_stopped(deploy, standing))
    return next(able, None)


def _is_stopped(deploy: Deploy, standing: Sequence[Lock]) -> bool:
    by, machine = deploy.asker
    if machine or deploy.over_locks:
        return False  # a machine's turn comes, and then it is held
    real = [lock for lock in standing if lock.kind == LockKind.LOCK]
    return bool(locks.in_the_way(real, by=by, automatic=False))
