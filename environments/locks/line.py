"""Waiting for a lock: in line, with a wanted duration, or only to hear that it is free."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from environments import access
from environments.locks import coming, ending
from environments.locks.errors import NothingToWaitFor, WrongEnd
from environments.locks.holding import LONGEST
from environments.locks.scopes import Scope, allows, require
from environments.locks.standing import clock, held_at, is_holder
from environments.locks.words import read_reason, say, tell
from environments.models import BookingEnd, LineEnd, LockRequest, User


def wait_in_line(scope: Scope, *, by: User, wanted: timedelta | None, reason: str) -> LockRequest:
    """Have the lock when one's turn comes, for as long as is `wanted`; None: without an end.

    Raises NothingToWaitFor, NotAllowed, WrongWords, WrongEnd.
    """
    require(by, access.LOCK, scope)
    words = read_reason(reason, f"what you want {scope.place} for")
    if wanted is not None and wanted <= timedelta():
        raise WrongEnd("Say how long you want it. Nothing was changed.")
    if (wanted is None or wanted > LONGEST) and not allows(by, access.LOCK_FOREVER, scope):
        raise WrongEnd(f"Your role may lock {scope.place} for at most {LONGEST.days} days. Nothing was changed.")
    seconds = None if wanted is None else int(wanted.total_seconds())
    return _join(scope, by, tell_only=False, wanted_seconds=seconds, reason=words)


def tell_me_when_free(scope: Scope, *, by: User) -> LockRequest:
    """Hear of it, without a place in line. Raises NothingToWaitFor, NotAllowed."""
    require(by, access.VIEW, scope)
    return _join(scope, by, tell_only=True)


def _join(
    scope: Scope, by: User, *, tell_only: bool, wanted_seconds: int | None = None, reason: str = ""
) -> LockRequest:
    with transaction.atomic():
        ending.settle(scope)
        lock = held_at(scope.text)
        if lock is None:
            raise NothingToWaitFor(f"{scope.place} is free; there is nothing to wait for. Lock it.")
        if is_holder(lock, by):
            raise NothingToWaitFor(f"{tell(lock)}. You hold it yourself; there is nothing to wait for.")
        try:
            with transaction.atomic():
                made = LockRequest.objects.create(
                    scope=scope.text,
                    environment=scope.environment,
                    target=scope.target,
                    person=by,
                    tell_only=tell_only,
                    wanted_seconds=wanted_seconds,
                    reason=reason,
                    asked_at=clock(),
                )
        except IntegrityError:
            raise NothingToWaitFor(f"You wait for {scope.place} already. Nothing was changed.") from None
        if not tell_only:
            say("lock.waits", scope, by=by, reason=reason)
    return made


def leave_line(scope: Scope, *, by: User, tell_only: bool = False) -> None:
    """Wait no longer. Raises NothingToWaitFor."""
    with transaction.atomic():
        mine = LockRequest.objects.filter(scope=scope.text, person=by, tell_only=tell_only, ended_at=None)
        booked = [row.reservation for row in mine.select_related("reservation") if row.reservation]
        if not mine.update(ended_at=Now(), how=LineEnd.LEFT):
            raise NothingToWaitFor(f"You do not wait for {scope.place} (any more). Nothing was changed.")
        for row in booked:
            coming.finish(row, BookingEnd.CANCELLED)
        if not tell_only:
            say("lock.left_line", scope, by=by)


def in_line(scopes: list[str] | None = None) -> list[LockRequest]:
    """Who waits, each scope in its order; of these scopes, or of all."""
    rows = LockRequest.objects.filter(ended_at=None).select_related("person", "reservation").order_by(*ending.IN_ORDER)
    return list(rows if scopes is None else rows.filter(scope__in=scopes))
