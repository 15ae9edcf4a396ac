"""Which locks are held, and which of them stand in somebody's way: the database's clock decides."""

from collections.abc import Collection, Container, Iterable, Sequence
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from environments.locks.scopes import covering, visible
from environments.models import Lock, Target, Team, User
from environments.rights import teams_of

RELATED = ("holder", "team", "environment", "target__application", "target__environment")
LASTS = Q(until=None) | Q(until__gt=Now())


def clock() -> datetime:
    """Now, as the database knows it: one clock for all who ask. SQLite means one machine, so it is that one's."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found.astimezone(UTC)


def held() -> QuerySet[Lock]:
    """All locks that bar somebody now."""
    return Lock.objects.filter(LASTS, released_at=None)


def held_at(scope: str) -> Lock | None:
    """The lock that people hold there."""
    rows = held().filter(scope=scope, machines_only=False)
    return rows.select_related(*RELATED).first()


def find_lock(lock_id: int, *, viewer: User) -> Lock | None:
    """A lock, held or over, that `viewer` may see."""
    return Lock.objects.filter(visible(viewer), pk=lock_id).select_related(*RELATED).first()


def applying(target: Target) -> list[Lock]:
    """The held locks that apply to `target`, the widest first."""
    wide = covering(target)
    rows = held().filter(scope__in=wide).select_related("holder", "team").order_by("machines_only", "pk")
    return sorted(rows, key=lambda row: wide.index(row.scope))


def in_the_way(locks: Sequence[Lock], *, by: User | None, automatic: bool) -> list[Lock]:
    """Those of `locks` that stop this one: all of them for a machine, those of others for a person.

    One query more only where a team holds one, and within a request that has read one's rights not even then.
    """
    if automatic or by is None:
        return list(locks)
    mine = teams_of(by) if any(lock.team_id for lock in locks) else {}
    return [lock for lock in locks if _bars(lock, by.pk, mine)]


def stopped(locks: Sequence[Lock], people: Collection[int]) -> set[int]:
    """Which of these people, by their ids, some lock of `locks` stops. One query, where a team holds one."""
    teams = {lock.team_id for lock in locks if lock.team_id}
    members: dict[int, set[int]] = {}
    if teams and people:
        rows = Team.members.through.objects.filter(team__in=teams, user__in=people)
        for person, team in rows.values_list("user_id", "team_id"):
            members.setdefault(person, set()).add(team)
    return {person for person in people if any(_bars(lock, person, members.get(person, ())) for lock in locks)}


def _bars(lock: Lock, person: int, teams: Container[int]) -> bool:
    """Whether it is held by others than this person, who is in these teams."""
    if lock.machines_only:
        return False
    return lock.team_id not in teams if lock.team_id else lock.holder_id != person


def standing_in_the_way(target: Target, *, by: User | None, automatic: bool = False) -> list[Lock]:
    """The locks and warnings that stop a deploy to `target` which `by` asks for; `automatic`: a machine does."""
    return in_the_way(applying(target), by=by, automatic=automatic)


def is_holder(lock: Lock, person: User | None) -> bool:
    """Whether this person holds it, alone or as one of a team."""
    if person is None:
        return False
    if lock.team_id is not None:
        return person.teams.filter(pk=lock.team_id).exists()
    return lock.holder_id == person.pk


def by_scope(locks: Iterable[Lock]) -> dict[str, list[Lock]]:
    found: dict[str, list[Lock]] = {}
    for lock in locks:
        found.setdefault(lock.scope, []).append(lock)
    return found
