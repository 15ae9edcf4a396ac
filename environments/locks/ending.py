"""How locks end, and who has them next. One conditional UPDATE ends a lock: of many who try, one did."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from environments import access
from environments.locks import coming
from environments.locks.scopes import Scope, allows, of_row
from environments.locks.standing import LASTS, clock, held
from environments.locks.words import addressees, record, say
from environments.models import BookingEnd, LineEnd, Lock, LockEnd, LockRequest, User
from notifications import metrics

IN_ORDER = (F("reservation__starts").asc(nulls_last=True), "pk")  # what was booked goes before who only waits
_OVER = Q(until__lte=Now())


def end(lock: Lock, how: LockEnd, *, by: User | None = None, by_name: str = "") -> bool:
    """End a lock that is still held and lasts; whether it was this call that did."""
    fresh = Lock.objects.filter(LASTS, pk=lock.pk, released_at=None)
    if not fresh.update(released_at=Now(), how=how, released_by_name=by_name or (by.full_name if by else "")):
        return False
    _measure(lock, clock(), how)
    coming.finish_with(lock, how)
    return True


def end_overdue(scope: str) -> list[Lock]:
    """Write down what has ended by its time in a scope, and hand over to who waits there. In a transaction."""
    ended = []
    for lock in rows().filter(_OVER, released_at=None, scope=scope):
        how = LockEnd.UNCONFIRMED if lock.offered else LockEnd.EXPIRED
        # the end that it had: when somebody gets to write it down says nothing
        if Lock.objects.filter(_OVER, pk=lock.pk, released_at=None).update(released_at=F("until"), how=how):
            record("lock.offer_lapsed" if lock.offered else "lock.expired", lock, by=None)
            coming.finish_with(lock, how)
            _measure(lock, lock.until or clock(), how)
            ended.append(lock)
    if any(not lock.machines_only for lock in ended):
        pass_on(of_row(ended[-1]))
    return ended


def _measure(lock: Lock, ended: datetime, how: LockEnd) -> None:
    """One that was only offered was never held."""
    if not lock.offered and metrics.wanted():
        of = lock.environment or (lock.target.environment if lock.target else None)
        name = of.name if of else "everything"
        metrics.timing("lock.time", (ended - lock.since).total_seconds(), environment=name, how=how.value)


def settle(scope: Scope) -> None:
    """What time has done in a scope: overdue ends, and reservations that begin. In a transaction."""
    end_overdue(scope.text)
    coming.begin_due(scope.text)
    if not held().filter(scope=scope.text, machines_only=False).exists():
        hand_over(scope)


def pass_on(scope: Scope) -> None:
    """What has become free goes to the next in line; without one, those hear of it who wished to. In a transaction.

    Whose reservation is to begin is before all others.
    """
    coming.begin_due(scope.text)
    if hand_over(scope) is None and not held().filter(scope=scope.text, machines_only=False).exists():
        tell_free(scope)


def hand_over(scope: Scope) -> Lock | None:
    """Offer a scope that is free to the next in line, who has some minutes to confirm. In a transaction."""
    waiting = LockRequest.objects.filter(scope=scope.text, ended_at=None, tell_only=False)
    for request in waiting.select_related("person", "reservation__team", "reservation__holder").order_by(*IN_ORDER):
        if not _is_due(request, scope):
            continue
        try:
            with transaction.atomic():
                if not close(request, LineEnd.OFFERED):
                    continue  # another worker did
                lock = _offer(scope, request)
        except IntegrityError:
            return None  # somebody holds it already
        record("lock.offered", lock, by=None, to=addressees(lock))
        return lock
    return None


def _is_due(request: LockRequest, scope: Scope) -> bool:
    """Whether one may have it now; who may not, or too late, is no longer in line."""
    over = request.reservation is not None and request.reservation.ends <= clock()
    if not over and allows(request.person, access.LOCK, scope):
        return True
    if close(request, LineEnd.OVER if over else LineEnd.GONE) and request.reservation is not None:
        coming.end_unused(request.reservation, BookingEnd.OVER if over else BookingEnd.GONE)
    return False


def tell_free(scope: Scope) -> None:
    """Word to those who only wanted to hear of it; nobody holds the scope and nobody waits for it."""
    wishes = LockRequest.objects.filter(scope=scope.text, ended_at=None, tell_only=True).select_related("person")
    names = [wish.person.username for wish in wishes if close(wish, LineEnd.TOLD)]
    if names:
        say("lock.free", scope, by=None, to=names)


def rows() -> QuerySet[Lock]:
    """Locks with all that their events tell."""
    return Lock.objects.select_related("environment", "target__application", "target__environment", "holder", "team")


def close(request: LockRequest, how: LineEnd) -> bool:
    """End a place in line; whether it was this call that did."""
    return LockRequest.objects.filter(pk=request.pk, ended_at=None).update(ended_at=Now(), how=how) == 1


def _offer(scope: Scope, request: LockRequest) -> Lock:
    now, booked = clock(), request.reservation
    until = now + timedelta(minutes=settings.LOCK_CONFIRM_MINUTES)
    team = booked.team if booked else None
    return Lock.objects.create(
        scope=scope.text,
        environment=scope.environment,
        target=scope.target,
        holder=request.person,
        team=team,
        holder_name=f"{request.person.full_name} for the team {team}" if team else request.person.full_name,
        reason=request.reason,
        since=now,
        until=min(until, booked.ends) if booked else until,
        offered=True,
        wanted_seconds=request.wanted_seconds,
        reservation=booked,
    )
