"""What time does to locks. Every worker looks; conditional UPDATEs decide who of them writes it down.

Nothing is barred or freed by this: an end is an end by the clock. It tells, hands over and reminds.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from environments.locks import coming, ending
from environments.locks.scopes import of_row
from environments.locks.standing import held
from environments.locks.words import addressees, record
from environments.models import Lock, LockRequest


def expire_due() -> list[Lock]:
    """Write down which locks have ended, and offer what is free to who waits for it. Returns those that ended."""
    ended: list[Lock] = []
    standing = Lock.objects.filter(released_at=None)
    locked = standing.exists()  # mostly nothing is, and every worker looks every few seconds
    for scope in sorted(set(standing.filter(until__lte=Now()).values_list("scope", flat=True))) if locked else ():
        with transaction.atomic():
            ended += ending.end_overdue(scope)
    near = coming.is_any_near()
    for scope in coming.due() if near else ():
        with transaction.atomic():
            coming.begin_due(scope)
    _serve_lines()
    if near:
        coming.warn_soon()
    if locked:
        _remind()
    return ended


def _serve_lines() -> None:
    """Somebody may have come to wait in the moment in which it became free."""
    waiting = LockRequest.objects.filter(ended_at=None)
    if not waiting.exists():
        return
    waiting = waiting.exclude(scope__in=Lock.objects.filter(released_at=None, machines_only=False).values("scope"))
    first = {
        row.scope: row for row in waiting.select_related("environment", "target__application", "target__environment")
    }
    for row in first.values():
        with transaction.atomic():
            ending.pass_on(of_row(row))


def _remind() -> None:
    """Holders hear before the end, and every few hours."""
    rows = held().filter(offered=False, machines_only=False).exclude(holder=None, team=None)
    before, every = timedelta(minutes=settings.LOCK_REMIND_MINUTES), timedelta(hours=settings.LOCK_REMIND_HOURS)
    heard = Coalesce("reminded_at", "since")
    soon = rows.filter(end_told=False, until__lte=_now_and(before), since__lte=_now_and(-before))
    long = rows.annotate(heard=heard).filter(heard__lte=_now_and(-every))
    for due, told in ((soon, Q(end_told=False)), (long, Q())):
        _tell(due, told)


def _tell(due: QuerySet[Lock], untold: Q) -> None:
    if not due.exists():
        return
    related = ("environment", "target__application", "target__environment", "holder", "team")
    for lock in list(due.select_related(*related)):
        with transaction.atomic():
            fresh = Lock.objects.filter(untold, pk=lock.pk, released_at=None, reminded_at=lock.reminded_at)
            if fresh.update(reminded_at=Now(), end_told=bool(untold) or lock.end_told):
                record("lock.reminded", lock, by=None, to=addressees(lock))


def _now_and(more: timedelta) -> "ExpressionWrapper[Any]":
    return ExpressionWrapper(Now() + more, output_field=DateTimeField())
