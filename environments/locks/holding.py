"""Take a lock, keep it, give it back, take it over."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from environments import access
from environments.locks import ending
from environments.locks.errors import Locked, LockGone, NotYours, WrongEnd
from environments.locks.scopes import Scope, allows, of_row, require
from environments.locks.standing import LASTS, clock, held_at, is_holder
from environments.locks.words import addressees, read_reason, record, tell
from environments.models import Lock, LockEnd, LockKind, Reservation, Team, User

LONGEST = timedelta(days=31)  # a lock that lasts longer is one without an end
TRIES = 3


def acquire(
    scope: Scope,
    *,
    by: User,
    reason: str,
    until: datetime | None,
    kind: str = LockKind.LOCK,
    team: Team | None = None,
) -> Lock:
    """Lock a scope, for oneself or for a team of one's own; `until` is None for a lock without an end.

    The unique constraint decides who gets it. Raises Locked, NotAllowed, WrongWords, WrongEnd, NotYours.
    """
    require(by, access.LOCK, scope)
    words = read_reason(reason, f"why {scope.place} is to be locked")
    _check_end(until, scope, by)
    if team is not None and not team.members.filter(pk=by.pk).exists():
        raise NotYours(f"You are none of the team {team}, so you cannot hold a lock for it. Nothing was changed.")
    for _ in range(TRIES):
        with transaction.atomic():
            ending.settle(scope)
            lock = _insert(scope, by=by, reason=words, until=until, kind=LockKind(kind), team=team)
            if lock is not None:
                record("lock.acquired", lock, by=by)
                return lock
        found = held_at(scope.text)
        if found is not None:
            raise Locked(found, f"{tell(found)}. {_whose(found, by)} Nothing was changed.")
    raise LockGone(f"{scope.place} changes hands right now. Nothing was changed; try again.")


def _whose(lock: Lock, by: User) -> str:
    if is_holder(lock, by):
        return "You hold it already; extend it to keep it longer."
    return "Ask the holder for it, or wait in line."


def _insert(
    scope: Scope, *, by: User, reason: str, until: datetime | None, kind: LockKind, team: Team | None
) -> Lock | None:
    """The row, or None where the constraint refuses it."""
    try:
        with transaction.atomic():
            return Lock.objects.create(
                scope=scope.text,
                environment=scope.environment,
                target=scope.target,
                kind=kind,
                holder=by,
                team=team,
                holder_name=f"{by.full_name} for the team {team}" if team else by.full_name,
                reason=reason,
                since=clock(),
                until=until,
            )
    except IntegrityError:
        return None


def close_to_machines(scope: Scope, *, reason: str) -> Lock | None:
    """Let no machine deploy there until a person clears it; None where that is so already. In a transaction."""
    try:
        with transaction.atomic():
            lock = Lock.objects.create(
                scope=scope.text,
                environment=scope.environment,
                target=scope.target,
                holder_name="the Deployer",
                machines_only=True,
                reason=reason[:300],
                since=clock(),
            )
    except IntegrityError:
        return None
    record("lock.closed_to_machines", lock, by=None)
    return lock


def may_release(lock: Lock, by: User | None) -> bool:
    """Its holder; an administrator; and for a lock of the Deployer's own whoever may lock there."""
    scope = of_row(lock)
    if allows(by, access.ADMINISTER, scope):
        return True
    needed = access.LOCK if lock.machines_only or is_holder(lock, by) else access.ADMINISTER
    return allows(by, needed, scope)


def release(lock: Lock, *, by: User) -> None:
    """Give a lock back, or decline one that was offered; the next in line is offered it.

    Raises NotYours, LockGone.
    """
    if not may_release(lock, by):
        raise NotYours(
            f"{tell(lock)}. Only its holder or an administrator can release it. Nothing was changed; ask the holder."
        )
    with transaction.atomic():
        if not ending.end(lock, LockEnd.RELEASED, by=by):
            raise gone(lock)
        record("lock.declined" if lock.offered else "lock.released", lock, by=by)
        if not lock.machines_only:
            ending.pass_on(of_row(lock))


def extend(lock: Lock, *, by: User, until: datetime | None) -> Lock:
    """Hold it longer. Raises NotYours, WrongEnd, LockGone, NotAllowed."""
    if not is_holder(lock, by):
        raise NotYours(f"{tell(lock)}. Only its holder can extend it. Nothing was changed.")
    scope = of_row(lock)
    require(by, access.LOCK, scope)
    _check_end(until, scope, by)
    later = Q(until__lt=until) if until else Q(until__isnull=False)
    with transaction.atomic():
        fresh = Lock.objects.filter(LASTS, later, pk=lock.pk, released_at=None, offered=False)
        if not fresh.update(until=until, end_told=False, reminded_at=Now()):
            now = Lock.objects.filter(LASTS, pk=lock.pk, released_at=None).first()
            if now is None:
                raise gone(lock)
            if now.offered:
                raise WrongEnd(f"{scope.place} is only offered to you yet. Confirm it first. Nothing was changed.")
            raise WrongEnd(f"{tell(now)}. That is as long as you ask for already. Nothing was changed.")
        found = ending.rows().get(pk=lock.pk)
        record("lock.extended", found, by=by)
    return found


def confirm(lock: Lock, *, by: User) -> Lock:
    """Take what was offered when one's turn in line came; from now on it lasts as long as was wanted.

    Raises NotYours, LockGone.
    """
    if not is_holder(lock, by):
        raise NotYours(f"{tell(lock)}. Only {lock.holder_name} can confirm it. Nothing was changed.")
    until = _wanted_end(lock)
    with transaction.atomic():
        fresh = Lock.objects.filter(LASTS, pk=lock.pk, released_at=None, offered=True)
        if not fresh.update(offered=False, until=until, since=Now()):
            raise gone(lock)
        found = ending.rows().get(pk=lock.pk)
        record("lock.handed_over", found, by=by)
    return found


def _wanted_end(lock: Lock) -> datetime | None:
    """How long one who has waited or booked keeps it; who has done both, until the later end."""
    waited = clock() + timedelta(seconds=lock.wanted_seconds) if lock.wanted_seconds is not None else None
    booked = Reservation.objects.filter(pk=lock.reservation_id).first() if lock.reservation_id else None
    if booked is None:
        return waited
    return max(waited, booked.ends) if waited else booked.ends


def take(lock: Lock, *, by: User, reason: str, until: datetime | None = None) -> Lock:
    """Take a lock over from its holder, who is told; by default for as long as it was theirs.

    Raises NotAllowed, WrongWords, WrongEnd, LockGone, NotYours.
    """
    scope = of_row(lock)
    require(by, access.TAKE_LOCKS, scope)
    words = read_reason(reason, f"why you take {scope.place} over")
    if is_holder(lock, by) or lock.machines_only:
        raise NotYours(f"{tell(lock)}. There is nobody to take it over from. Nothing was changed.")
    wanted = until or (None if lock.offered else lock.until) or clock() + timedelta(hours=1)
    _check_end(wanted, scope, by)
    with transaction.atomic():
        if not ending.end(lock, LockEnd.TAKEN, by=by):
            raise gone(lock)
        taken = _insert(scope, by=by, reason=words, until=wanted, kind=LockKind.LOCK, team=None)
        if taken is None:
            raise gone(lock)  # cannot be: the constraint was free by our own hand, and nobody else's is committed
        record("lock.taken_over", taken, by=by, was=lock.holder_name, to=addressees(lock))
    return taken


def gone(lock: Lock) -> LockGone:
    """What to say of a lock that is no longer there."""
    now = Lock.objects.filter(pk=lock.pk).first()
    how = f" ({now.get_how_display()})" if now and now.how else ""
    return LockGone(f"This lock of {lock.place} has ended meanwhile{how}. Nothing was changed.")


def _check_end(until: datetime | None, scope: Scope, by: User) -> None:
    """Raises WrongEnd, NotAllowed."""
    now = clock()
    if until is not None and until <= now:
        raise WrongEnd("A lock ends in the future; that time is over. Nothing was changed.")
    if (until is None or until - now > LONGEST) and not allows(by, access.LOCK_FOREVER, scope):
        raise WrongEnd(
            f"Your role may lock {scope.place} for at most {LONGEST.days} days; longer, or without an end, is for "
            "maintainers. Nothing was changed."
        )
