"""Reservations whose time comes: by the database's clock their holders are first in line, and then have the lock."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from environments import access
from environments.locks.scopes import allows, of_row
from environments.locks.standing import LASTS, RELATED, clock, held_at
from environments.locks.words import addressees, say
from environments.models import BookingEnd, LineEnd, Lock, LockEnd, LockRequest, Reservation, User

ENDS = {
    LockEnd.RELEASED: BookingEnd.GIVEN_BACK,
    LockEnd.EXPIRED: BookingEnd.KEPT,
    LockEnd.UNCONFIRMED: BookingEnd.MISSED,
    LockEnd.TAKEN: BookingEnd.TAKEN,
}


def tell_times(row: Reservation) -> str:
    """`Mon 30 Nov 09:00 to 11:00 UTC`, in the zone of times without a browser."""
    first, last = timezone.localtime(row.starts), timezone.localtime(row.ends)
    end = f"{last:%H:%M %Z}" if last.date() == first.date() else f"{last:%a %d %b %H:%M %Z}"
    return f"{first:%a %d %b %H:%M} to {end}"


def finish(row: Reservation, how: BookingEnd) -> bool:
    """Whether it was this call that ended it."""
    return Reservation.objects.filter(pk=row.pk, ended_at=None).update(ended_at=Now(), how=how) == 1


def finish_with(lock: Lock, how: LockEnd) -> None:
    """What was booked ends with its lock."""
    if lock.reservation_id is not None:
        fresh = Reservation.objects.filter(pk=lock.reservation_id, ended_at=None)
        fresh.update(ended_at=Now(), how=ENDS[how])


def is_any_near() -> bool:
    """Whether one begins, or is to be told of; mostly none does, and every worker looks every few seconds."""
    return _near().exists()


def _near() -> QuerySet[Reservation]:
    soon = ExpressionWrapper(Now() + timedelta(minutes=settings.LOCK_REMIND_MINUTES), output_field=DateTimeField())
    return Reservation.objects.filter(began_at=None, ended_at=None, starts__lte=soon)


def due() -> list[str]:
    """The scopes in which a reservation is to begin."""
    rows = Reservation.objects.filter(starts__lte=Now(), began_at=None, ended_at=None)
    return sorted(set(rows.order_by().values_list("scope", flat=True)))


def begin_due(scope: str) -> None:
    """Whose time has come in this scope goes first in line, or keeps what they hold already. In a transaction."""
    rows = Reservation.objects.filter(scope=scope, starts__lte=Now(), began_at=None, ended_at=None)
    for row in rows.select_related(*RELATED).order_by("starts", "pk"):
        if Reservation.objects.filter(pk=row.pk, began_at=None, ended_at=None).update(began_at=Now()):
            _begin(row)


def _begin(row: Reservation) -> None:
    person = heir(row)
    if row.ends <= clock():
        end_unused(row, BookingEnd.OVER)
    elif person is None:
        end_unused(row, BookingEnd.GONE)
    elif not _keep(row):
        _line_up(row, person)


def heir(row: Reservation) -> User | None:
    """Who has it when it begins: its holder, or of its team anybody who may."""
    scope = of_row(row)
    people = [row.holder] if row.holder and row.team_id is None else []
    if row.team is not None:
        people = sorted(row.team.members.all(), key=lambda one: (one.pk != row.holder_id, one.pk))
    return next((one for one in people if allows(one, access.LOCK, scope)), None)


def end_unused(row: Reservation, how: BookingEnd) -> None:
    """It ends before anybody had it, and says so."""
    if finish(row, how):
        facts = {"holder": row.holder_name, "reason": row.reason, "when": tell_times(row), "how": how.label}
        say("reservation.unused", of_row(row), by=None, reservation=row.pk, to=addressees(row), **facts)


def _keep(row: Reservation) -> bool:
    """Who holds the place already holds it on, until the end of what was booked."""
    lock = held_at(row.scope)
    if lock is None or lock.reservation_id is not None:
        return False
    same = lock.team_id == row.team_id if row.team_id else lock.team_id is None and lock.holder_id == row.holder_id
    if not same or row.holder_id is None:
        return False
    until = lock.until if lock.offered or lock.until is None else max(lock.until, row.ends)
    fresh = Lock.objects.filter(LASTS, pk=lock.pk, released_at=None, reservation=None)
    return fresh.update(reservation=row, until=until) == 1


def _line_up(row: Reservation, person: User) -> None:
    """First in line: as a place that the person has there already, or a new one."""
    waiting = LockRequest.objects.filter(scope=row.scope, person=person, tell_only=False, ended_at=None)
    if waiting.filter(reservation=None).update(reservation=row, reason=row.reason):
        return
    for earlier in waiting.select_related("reservation"):  # booked before this one, and over without a turn
        LockRequest.objects.filter(pk=earlier.pk).update(ended_at=Now(), how=LineEnd.OVER)
        if earlier.reservation:
            end_unused(earlier.reservation, BookingEnd.OVER)
    LockRequest.objects.create(
        scope=row.scope,
        environment=row.environment,
        target=row.target,
        person=person,
        reason=row.reason,
        reservation=row,
        asked_at=clock(),
    )


def warn_soon() -> None:
    """Whoever has booked hears of it before; and so does whoever holds the place for longer than until then."""
    for row in list(_near().filter(warned_at=None).select_related(*RELATED)):
        with transaction.atomic():
            fresh = Reservation.objects.filter(pk=row.pk, warned_at=None, began_at=None, ended_at=None)
            if fresh.update(warned_at=Now()):
                _warn(row)


def _warn(row: Reservation) -> None:
    facts = {"reservation": row.pk, "holder": row.holder_name, "reason": row.reason, "when": tell_times(row)}
    say("reservation.soon", of_row(row), by=None, to=addressees(row), **facts)
    lock = held_at(row.scope)
    if lock is None or (lock.until is not None and lock.until <= row.starts) or lock.holder_id == row.holder_id:
        return
    say("reservation.near", of_row(row), by=None, to=addressees(lock), lock=lock.pk, held_by=lock.holder_name, **facts)
