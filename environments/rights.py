"""What a person may where: their own role, what they and their teams were granted, and what everyone may. Rows are
read at most once per request, in two queries; every answer after that is a look at memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.db.models import IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast

from environments.models import Application, Came, DefaultRoles, Environment, Grant, Role, Target, Team, User
from environments.reach import Key, Place


def place_of(
    target: Target | None = None,
    application: Application | Key = None,
    environment: Environment | Key = None,
) -> Place:
    """The place of rows or names, without a query."""
    if target is not None:
        return Place(target.application_id, target.environment_id)
    return Place(
        application.pk if isinstance(application, Application) else application,
        environment.pk if isinstance(environment, Environment) else environment,
    )


@dataclass(frozen=True)
class Given:
    """A role in a place, and why: `team` is the name of the team through which it came."""

    role: str
    application: tuple[int, str] | None
    environment: tuple[int, str] | None
    team: str = ""
    grant: int = 0

    def covers(self, place: Place) -> bool:
        """Whether all of `place` lies within."""
        return _is(self.application, place.application) and _is(self.environment, place.environment)

    def touches(self, place: Place) -> bool:
        """Whether some of `place` lies within."""
        return (place.application is None or _is(self.application, place.application)) and (
            place.environment is None or _is(self.environment, place.environment)
        )


def _is(mine: tuple[int, str] | None, key: Key) -> bool:
    return mine is None or key in mine


@dataclass(frozen=True)
class Everyone:
    """What everyone who is signed in may. What is not within one environment that is open counts as protected."""

    unprotected: str
    protected: str
    closed: frozenset[int | str] = field(default_factory=frozenset)  # protected environments, by id and by name

    def role_in(self, place: Place) -> str:
        opened = place.environment is not None and place.environment not in self.closed
        return self.unprotected if opened else self.protected

    def roles_touching(self, place: Place) -> set[str]:
        if place.environment is not None:
            return {self.role_in(place)}
        return {self.unprotected, self.protected}


@dataclass(frozen=True)
class Rights:
    """What a person has beyond their own role. `everyone` is None for guests."""

    given: tuple[Given, ...]
    everyone: Everyone | None
    teams: Mapping[int, str] = field(default_factory=dict)  # the names of one's teams, by id

    def roles_in(self, place: Place) -> set[str]:
        """Roles that count in all of `place`."""
        roles = {given.role for given in self.given if given.covers(place)}
        return roles | ({self.everyone.role_in(place)} if self.everyone else set())

    def roles_touching(self, place: Place) -> set[str]:
        """Roles that count in some of `place`."""
        roles = {given.role for given in self.given if given.touches(place)}
        return roles | (self.everyone.roles_touching(place) if self.everyone else set())


NO_RIGHTS = Rights((), None)
_TEAM = "team"  # marks a row of teams among those of everyone


@dataclass(frozen=True)
class Kept:
    """What was read already, by the person's id."""

    rights: dict[int, Rights] = field(default_factory=dict)
    teams: dict[int, Mapping[int, str]] = field(default_factory=dict)


_kept: ContextVar[Kept | None] = ContextVar("rights", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Within this, a person's rights are read once: for the time of one request."""
    token = _kept.set(Kept())
    try:
        yield
    finally:
        _kept.reset(token)


def forget() -> None:
    """Rights have changed: whoever asks next reads them anew."""
    kept = _kept.get()
    if kept is not None:
        kept.rights.clear()
        kept.teams.clear()


def rights_of(user: User) -> Rights:
    """What `user` has beyond their own role. Whoever has no row, or a role that there is not, has nothing."""
    if user.pk is None or user.role not in Role.values:
        return NO_RIGHTS
    kept = _kept.get()
    if kept is not None and user.pk in kept.rights:
        return kept.rights[user.pk]
    all_may, teams = _read(Team.objects.filter(members=user))
    rights = Rights(_given_to(user), _everyones(user, all_may), teams)
    if kept is not None:
        kept.rights[user.pk] = rights
        kept.teams[user.pk] = teams
    return rights


def _everyones(user: User, all_may: Everyone) -> Everyone | None:
    """Whoever a provider sent, of whom nobody has said anything yet, may look as everyone may, and no more."""
    if user.role == Role.GUEST:
        return None
    return replace(all_may, unprotected=Role.VIEWER, protected=Role.VIEWER) if user.came == Came.WAITING else all_may


def teams_of(user: User) -> Mapping[int, str]:
    """The names of one's teams, by id: no query where they, or one's rights, were read already, else one."""
    kept = _kept.get()
    if kept is not None and user.pk in kept.teams:
        return kept.teams[user.pk]
    teams = dict(user.teams.values_list("pk", "name"))
    if kept is not None:
        kept.teams[user.pk] = teams
    return teams


def _given_to(user: User) -> tuple[Given, ...]:
    mine = Q(person=user) | Q(team__members=user)
    rows = Grant.objects.filter(mine).select_related("team", "application", "environment").order_by("pk")
    return tuple(given_by(row) for row in rows)


def given_by(grant: Grant) -> Given:
    application, environment = grant.application, grant.environment
    return Given(
        role=grant.role,
        application=(application.pk, application.name) if application else None,
        environment=(environment.pk, environment.name) if environment else None,
        team=grant.team.name if grant.team else "",
        grant=grant.pk,
    )


def everyone() -> Everyone:
    """What everyone may, and which environments are protected, in one query."""
    return _read(Team.objects.none())[0]


def _read(teams: QuerySet[Team]) -> tuple[Everyone, dict[int, str]]:
    """What everyone may, and these teams, in one query."""
    number = Cast("pk", IntegerField())
    chosen = DefaultRoles.objects.annotate(number=Value(0, IntegerField())).values_list(
        "number", "unprotected", "protected"
    )
    environments = Environment.objects.filter(protected=True).order_by().annotate(number=number)
    named = teams.order_by().annotate(number=number).values_list("number", "name", Value(_TEAM))
    rows = list(chosen.union(environments.values_list("number", "name", Value("")), named, all=True))
    roles = next(((unprotected, protected) for number, unprotected, protected in rows if not number), None)
    closed = [key for number, name, what in rows if number and what != _TEAM for key in (number, name)]
    unprotected, protected = roles or (settings.EVERYONE, Role.VIEWER)
    found = Everyone(str(unprotected), str(protected), frozenset(closed))
    return found, {number: name for number, name, what in rows if number and what == _TEAM}
