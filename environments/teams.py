"""Teams: people who hold locks and roles together.

Errors:

    TeamError
    ├── WrongName    this can be no name
    ├── NameTaken    there is one of that name
    ├── NoSuchPerson nobody of that name may come in
    ├── AlreadySo    nothing would change
    └── Approves     deploys somewhere need its approval
"""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from environments import access, rights
from environments.models import GroupMembership, Team, User
from environments.validation import validate_name
from notifications import events


class TeamError(Exception):
    """`str()` is the sentence for every door."""


class WrongName(TeamError):
    pass


class NameTaken(TeamError):
    pass


class NoSuchPerson(TeamError):
    pass


class AlreadySo(TeamError):
    pass


class Approves(TeamError):
    pass


def make(name: str, *, by: User | None) -> Team:
    """A team without members. Raises NotAllowed, WrongName, NameTaken."""
    access.require(by, access.ADMINISTER)
    _check(name)
    try:
        with transaction.atomic():
            made = Team.objects.create(name=name)
            events.record("team.made", _by(by), team=name)
            return made
    except IntegrityError:
        raise NameTaken(f"There is a team called {name} already. Nothing was made.") from None


def rename(team: Team, name: str, *, by: User | None) -> None:
    """Members and what the team was granted stay. Raises NotAllowed, WrongName, NameTaken."""
    access.require(by, access.ADMINISTER)
    _check(name)
    if name == team.name:
        return
    try:
        with transaction.atomic():
            Team.objects.filter(pk=team.pk).update(name=name)
            events.record("team.renamed", _by(by), team=name, old=team.name)
    except IntegrityError:
        raise NameTaken(f"There is a team called {name} already. Nothing was changed.") from None
    rights.forget()


def remove(team: Team, *, by: User | None) -> None:
    """What the team was granted goes with it. Raises NotAllowed, Approves."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        approves = team.approves.select_related("application", "environment").first()
        if approves is not None:
            raise Approves(f"The team {team} approves deploys to {approves.slug}. Choose another there first.")
        if Team.objects.filter(pk=team.pk).delete()[0]:
            events.record("team.removed", _by(by), team=team.name)
    rights.forget()


def find_person(username: str) -> User:
    """Somebody who could be a member, by what was typed. Raises NoSuchPerson."""
    name = username.strip().lower()
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise NoSuchPerson(f"Nobody who may come in is called {name[:80]!r}. Nothing was changed.")
    return found


def add_member(team: Team, person: User, *, by: User | None) -> None:
    """Raises NotAllowed, AlreadySo."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        _, made = Team.members.through.objects.get_or_create(team=team, user=person)
        if not made:
            raise AlreadySo(f"{person.username} is in {team.name} already.")
        events.record("team.joined", _by(by), team=team.name, user=person.username)
    rights.forget()


def remove_member(team: Team, person: User, *, by: User | None) -> None:
    """Raises NotAllowed, AlreadySo."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        if not Team.members.through.objects.filter(team=team, user=person).delete()[0]:
            raise AlreadySo(f"{person.username} is not in {team.name}.")
        GroupMembership.objects.filter(team=team, user=person).delete()  # who puts them back does so by hand
        events.record("team.left", _by(by), team=team.name, user=person.username)
    rights.forget()


def _check(name: str) -> None:
    try:
        validate_name(name)
    except ValidationError as error:
        raise WrongName(f"{name[:80]!r} can be no name of a team. {error.messages[0]} Nothing was changed.") from None


def _by(person: User | None) -> str:
    return person.username if person else ""
