"""Who of those that wait has a turn: one that a lock holds has none, and one whom a lock stops lets others pass."""

from collections.abc import Sequence

from django.db.models import QuerySet

from deployments.models import Deploy
from deployments.states import DeployStatus
from environments import locks
from environments.models import Lock, LockKind, Target

NOBODY = 0  # who asked for it is gone: every lock stops that


def waiting(target: Target) -> QuerySet[Deploy]:
    """All that wait for their turn there."""
    return Deploy.objects.filter(target=target, status=DeployStatus.WAITING, met_lock=None)


def first_of(rows: QuerySet[Deploy], standing: Sequence[Lock]) -> Deploy | None:
    """The first of `rows` that no lock of `standing` stops. One query, unless there are locks."""
    if not standing:
        return rows.first()
    return first_able(list(rows.select_related("by", "let_go_by")), standing)


def first_able(rows: Sequence[Deploy], standing: Sequence[Lock]) -> Deploy | None:
    """As first_of, of deploys that were read with who asked for them. One query, where a team holds a lock."""
    real = [lock for lock in standing if lock.kind == LockKind.LOCK]
    if not real:
        return next(iter(rows), None)
    people = {person for person in map(_whom_locks_stop, rows) if person}
    stopped = locks.stopped(real, people) | {NOBODY}
    return next((deploy for deploy in rows if _whom_locks_stop(deploy) not in stopped), None)


def _whom_locks_stop(deploy: Deploy) -> int | None:
    """The id of the person for whom locks are asked; None where none stops it."""
    by, machine = deploy.asker
    if machine or deploy.over_locks:
        return None  # a machine's turn comes, and then it is held
    return by.pk if by else NOBODY
