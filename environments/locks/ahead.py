"""What is reserved ahead: who locks until after it has begun takes time that is somebody else's."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet
from django.utils import timezone

from environments.locks.booking import coming, touching
from environments.locks.scopes import Scope, of_row, visible
from environments.models import Lock, Reservation, User
from environments.rights import teams_of

MOST = 500


def ahead_of(
    scopes: Sequence[Scope], by: User, coming_up: Iterable[Reservation] | None = None
) -> Mapping[str, Reservation]:
    """The next reservation of others in, around or within each scope, by its text. One query, and one for teams.

    `coming_up`: what is reserved next, where somebody has read it already.
    """
    if not scopes:
        return {}
    if coming_up is None:
        rows = _of_others(by).filter(visible(by)).filter(reduce(or_, (_reaching(scope) for scope in scopes)))
        coming_up = rows.order_by("starts", "pk")[:MOST]
    teams = teams_of(by)
    there = [row for row in coming_up if not (row.team_id in teams if row.team_id else row.holder_id == by.pk)]
    found = {scope.text: next((row for row in there if _touches(row, scope)), None) for scope in scopes}
    return {text: row for text, row in found.items() if row is not None}


def reaches_into(lock: Lock, *, viewer: User) -> Reservation | None:
    """The first reservation of others that begins before `lock` ends, as far as `viewer` may see them."""
    if lock.holder is None or lock.machines_only:
        return None
    rows = _of_others(lock.holder).filter(_reaching(of_row(lock)), visible(viewer))
    if lock.team_id:
        rows = rows.exclude(team=lock.team_id)
    if lock.until is not None:
        rows = rows.filter(starts__lt=lock.until)
    return rows.order_by("starts", "pk").first()


def tell_ahead(row: Reservation) -> str:
    """What to say to who holds the place for longer than until then."""
    begins = f"{timezone.localtime(row.starts):%a %d %b %H:%M %Z}"
    return (
        f"It reaches into a reservation: {row.holder_name} has {row.place} from {begins} on, "
        f"for {row.reason.rstrip('. ')}. Release it before then, or they wait for you."
    )


def _of_others(by: User) -> QuerySet[Reservation]:
    return coming().filter(began_at=None).exclude(holder=by, team=None).exclude(team__members=by)


def _reaching(scope: Scope) -> Q:
    return touching(scope) or Q(pk__isnull=False)


def _touches(row: Reservation, scope: Scope) -> bool:
    """As `touching`, of a row that was read."""
    if row.environment_id is None or scope.environment is None:
        return True
    if row.environment_id != scope.environment.pk:
        return False
    return scope.target is None or row.target_id in (None, scope.target.pk)
