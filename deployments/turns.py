"""Who of those that wait has a turn: one that a lock holds has none, and one whom a lock, a closed time or an approval
stops lets others pass.
"""

from collections.abc import Sequence

from django.db.models import Case, QuerySet, Value, When

from deployments import approvals
from deployments.closed_times import NEVER_WAIT
from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments import locks
from environments.models import Lock, LockKind, Outside, Target

NOBODY = 0  # who asked for it is gone: every lock stops that


def waiting(target: Target) -> QuerySet[Deploy]:
    """All that wait for their turn there."""
    return Deploy.objects.filter(target=target, status=DeployStatus.WAITING, met_lock=None)


def in_order(rows: QuerySet[Deploy]) -> QuerySet[Deploy]:
    """A rollback first; then what somebody moved to the front, the last moved first; then as they were requested."""
    urgent = Case(When(kind=Kind.ROLLBACK, then=Value(0)), default=Value(1))
    return rows.order_by(urgent, "-front", "number")


def place_of(deploy: Deploy) -> tuple[bool, int, int]:
    """The same order, of rows that were read."""
    return deploy.kind != Kind.ROLLBACK, -deploy.front, deploy.number


def ahead_of(deploy: Deploy) -> list[Deploy]:
    """Those that wait before it, in their order, whether something stops them or not. One query."""
    if deploy.met_lock_id is not None:
        return []  # it has no turn
    rows = waiting(deploy.target).only("number", "by_name", "kind", "front", "build_missing_since")
    return sorted((row for row in rows if place_of(row) < place_of(deploy)), key=place_of)


def first_of(rows: QuerySet[Deploy], target: Target, standing: Sequence[Lock], *, shut: bool) -> Deploy | None:
    """The first of `rows` that nothing stops for whom others need not wait: no lock of `standing`, no closed time
    (`shut`), no approval that is lacking. One query, unless there is one of these.
    """
    if not (standing or shut or target.approvals):
        return rows.first()
    rows = rows.select_related("by", "let_go_by", "of")
    return first_able(list(rows), target, standing, shut=shut)


def first_able(rows: Sequence[Deploy], target: Target, standing: Sequence[Lock], *, shut: bool) -> Deploy | None:
    """As first_of, of deploys that were read with who asked for them. One query, where a team holds a lock."""
    given = approvals.given_on(target)
    due = [deploy for deploy in rows if not (shut and _waits_for_opening(deploy, target))]
    able = [deploy for deploy in due if approvals.may_start(deploy, target, given)]
    real = [lock for lock in standing if lock.kind == LockKind.LOCK]
    if not real:
        return next(iter(able), None)
    people = {person for person in map(_whom_locks_stop, able) if person}
    stopped = locks.stopped(real, people) | {NOBODY}
    return next((deploy for deploy in able if _whom_locks_stop(deploy) not in stopped), None)


def _whom_locks_stop(deploy: Deploy) -> int | None:
    """The id of the person for whom locks are asked; None where none stops it."""
    by, machine = deploy.asker
    if machine or deploy.over_locks:
        return None  # a machine's turn comes, and then it is held
    return by.pk if by else NOBODY


def _waits_for_opening(deploy: Deploy, target: Target) -> bool:
    if deploy.over_locks or deploy.kind in NEVER_WAIT:
        return False
    # the turn of one that is to be dropped comes, and then it is
    return not (deploy.asker[1] and target.environment.outside == Outside.DROP)
