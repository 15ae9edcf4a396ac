"""Reservations: a lock for later, booked, moved and cancelled. Of two who want the same time one is refused.

Whoever books changes the one row of the calendar first, so that each sees what the one before has booked.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from environments import access
from environments.locks.coming import tell_times
from environments.locks.ends import find_zone
from environments.locks.errors import NotYours, ReservationGone, Reserved, WrongEnd
from environments.locks.holding import LONGEST
from environments.locks.repeating import times_of
from environments.locks.scopes import Scope, allows, of_row, require
from environments.locks.standing import RELATED, clock
from environments.locks.words import read_reason, say
from environments.models import BookingEnd, Calendar, Reservation, Team, User

FURTHEST = timedelta(days=400)
Times = tuple[datetime, datetime]


def book(
    scope: Scope,
    *,
    by: User,
    starts: datetime,
    ends: datetime,
    reason: str,
    holder: User | None = None,
    team: Team | None = None,
    weekly_until: date | None = None,
    zone: str = "",
) -> list[Reservation]:
    """Reserve a scope, for oneself, a team of one's own, or (who may take over locks there) for somebody else.

    Weekly ones are booked all or none. Raises Reserved, NotAllowed, NotYours, WrongWords, WrongEnd.
    """
    require(by, access.LOCK, scope)
    whose = holder or by
    words = read_reason(reason, f"what {scope.place} is reserved for")
    _check_holder(scope, by, whose, team)
    times = times_of(starts, ends, zone=zone, weekly_until=weekly_until)
    _check_times(scope, by, times)
    series = uuid4() if len(times) > 1 else None
    with transaction.atomic():
        _queue_up()
        _refuse_conflicts(scope, times, whose=whose, team=team)
        facts = {
            "scope": scope.text,
            "environment": scope.environment,
            "target": scope.target,
            "holder": whose,
            "team": team,
            "holder_name": f"{whose.full_name} for the team {team}" if team else whose.full_name,
            "reason": words,
            "zone": find_zone(zone).key,
            "series": series,
            "booked_at": clock(),
            "booked_by_name": by.full_name,
        }
        made = Reservation.objects.bulk_create(Reservation(starts=at, ends=end, **facts) for at, end in times)
        record("reservation.booked", made[0], by=by, times=len(made))
    return made


def move(reservation: Reservation, *, by: User, starts: datetime, ends: datetime) -> Reservation:
    """Have it at another time; of a weekly one this time alone. Raises as `book` does, and ReservationGone."""
    _require_mine(reservation, by)
    scope = of_row(reservation)
    require(by, access.LOCK, scope)
    times = times_of(starts, ends, zone=reservation.zone, weekly_until=None)
    _check_times(scope, by, times)
    with transaction.atomic():
        _queue_up()
        _refuse_conflicts(scope, times, whose=reservation.holder, team=reservation.team, but=reservation.pk)
        fresh = Reservation.objects.filter(pk=reservation.pk, began_at=None, ended_at=None)
        if not fresh.update(starts=times[0][0], ends=times[0][1], warned_at=None):
            raise _gone(reservation)
        moved = reservations().get(pk=reservation.pk)
        record("reservation.moved", moved, by=by, was=tell_times(reservation))
    return moved


def cancel(reservation: Reservation, *, by: User, later_too: bool = False) -> int:
    """Give it up; `later_too`: and those of its series that come after it. How many that were.

    One that has begun is given up by leaving the line, or by releasing the lock. Raises NotYours, ReservationGone.
    """
    _require_mine(reservation, by)
    with transaction.atomic():
        rows = [reservation, *_later(reservation)] if later_too else [reservation]
        done = [row for row in rows if _cancel(row)]
        if reservation not in done:
            raise _gone(reservation)
        record("reservation.cancelled", reservation, by=by, times=len(done))
    return len(done)


def _cancel(row: Reservation) -> bool:
    fresh = Reservation.objects.filter(pk=row.pk, began_at=None, ended_at=None)
    return fresh.update(ended_at=Now(), how=BookingEnd.CANCELLED) == 1


def may_change(reservation: Reservation, by: User) -> bool:
    """Its holder, one of its team, whoever may take over locks there."""
    return _is_theirs(reservation, by) or allows(by, access.TAKE_LOCKS, of_row(reservation))


def reservations() -> QuerySet[Reservation]:
    """With all that is told of them."""
    return Reservation.objects.select_related(*RELATED)


def coming() -> QuerySet[Reservation]:
    """Those that are not over, the next one first."""
    return reservations().filter(ended_at=None, ends__gt=Now()).order_by("starts", "pk")


def overlapping(scope: Scope, starts: datetime, ends: datetime) -> QuerySet[Reservation]:
    """Those of this scope, of wider ones and of what is within it that lie in this time."""
    return coming().filter(touching(scope), starts__lt=ends, ends__gt=starts)


def record(kind: str, row: Reservation, *, by: User | None, **facts: object) -> None:
    """An event about a reservation, in the caller's transaction."""
    what = {"reservation": row.pk, "holder": row.holder_name, "reason": row.reason, "when": tell_times(row)}
    times = {"starts": row.starts.isoformat(), "ends": row.ends.isoformat(), "weekly": row.series is not None}
    say(kind, of_row(row), by=by, **(what | times | facts))


def touching(scope: Scope) -> Q:
    """Which reservations are about this scope, a wider one, or what is within it."""
    if scope.target is not None:
        return Q(environment=None) | Q(environment=scope.environment, target=None) | Q(target=scope.target)
    return Q(environment=None) | Q(environment=scope.environment) if scope.environment else Q()


def _queue_up() -> None:
    """Nobody else books until this transaction ends."""
    Calendar.objects.bulk_create([Calendar(pk=1)], ignore_conflicts=True)
    Calendar.objects.filter(pk=1).update(bookings=F("bookings") + 1)


def _refuse_conflicts(
    scope: Scope, times: Sequence[Times], *, whose: User | None, team: Team | None, but: int | None = None
) -> None:
    """In the same scope nobody's times overlap; in wider and narrower ones only one's own do. Raises Reserved."""
    there = list(overlapping(scope, times[0][0], times[-1][1]).exclude(pk__in=[but] if but else []))
    for starts, ends in times:
        for row in there:
            apart = row.ends <= starts or row.starts >= ends
            own = row.team_id == team.pk if team else row.team_id is None and whose and row.holder_id == whose.pk
            if not apart and (row.scope == scope.text or not own):
                raise Reserved(row, f"{tell(row)}. Nothing was booked; choose another time.")


def tell(row: Reservation) -> str:
    """`shop/staging is reserved by Ada Marsh, Mon 30 Nov 09:00 to 11:00 UTC: demo`."""
    place = row.place[0].upper() + row.place[1:] if row.scope == "*" else row.place
    return f"{place} is reserved by {row.holder_name}, {tell_times(row)}: {row.reason.rstrip('. ')}"


def _check_holder(scope: Scope, by: User, whose: User, team: Team | None) -> None:
    if whose.pk != by.pk:
        require(by, access.TAKE_LOCKS, scope)
    if not allows(whose, access.LOCK, scope):
        raise NotYours(f"{whose.full_name} may not lock {scope.place}. Nothing was booked.")
    if team is not None and not team.members.filter(pk=whose.pk).exists():
        raise NotYours(f"{whose.full_name} is none of the team {team}. Nothing was booked.")


def _check_times(scope: Scope, by: User, times: Iterable[Times]) -> None:
    now = clock()
    for starts, ends in times:
        if starts <= now:
            raise WrongEnd("A reservation is for later, and that time is over. Nothing was booked; lock it instead.")
        if starts - now > FURTHEST:
            raise WrongEnd(f"A reservation is for the next {FURTHEST.days} days. Nothing was booked.")
        if ends - starts > LONGEST and not allows(by, access.LOCK_FOREVER, scope):
            raise WrongEnd(f"Your role may reserve {scope.place} for at most {LONGEST.days} days. Nothing was booked.")


def _require_mine(reservation: Reservation, by: User) -> None:
    if not may_change(reservation, by):
        raise NotYours(f"{tell(reservation)}. Only its holder can change that. Nothing was changed.")


def _is_theirs(reservation: Reservation, by: User) -> bool:
    if reservation.team_id is not None:
        return by.teams.filter(pk=reservation.team_id).exists()
    return reservation.holder_id == by.pk


def _later(reservation: Reservation) -> list[Reservation]:
    series: UUID | None = reservation.series
    if series is None:
        return []
    rows = reservations().filter(series=series, starts__gt=reservation.starts, ended_at=None)
    return list(rows.order_by("starts"))


def _gone(reservation: Reservation) -> ReservationGone:
    now = Reservation.objects.filter(pk=reservation.pk).first()
    if now and now.began_at and not now.ended_at:
        return ReservationGone(
            f"This reservation of {now.place} has begun: leave the line, or release the lock. Nothing was changed."
        )
    how = f" ({now.get_how_display()})" if now and now.how else ""
    return ReservationGone(f"This reservation of {reservation.place} is over{how}. Nothing was changed.")
