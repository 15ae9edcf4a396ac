"""What a person is by the groups that providers told of them: teams, and a role. What hands gave stays.

It is done at each sign-in, and for everyone whom it concerns when a mapping changes, from the groups that were told
last.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from environments import people, rights
from environments.models import Came, GroupMapping, GroupMembership, Identity, Role, Team, User
from notifications import events

_ORDER = (Role.GUEST, Role.VIEWER, Role.DEPLOYER, Role.MAINTAINER, Role.ADMINISTRATOR)


@dataclass(frozen=True)
class Meant:
    """What groups mean together: the strongest role, or "", and teams by id; `any`: at least one means something."""

    role: str
    teams: dict[int, Team]
    any: bool


def meant_for(person: User) -> Meant:
    """Two queries. Of a provider that is switched off too: it is no reason to take from people what they have."""
    told = {row.provider_id: set(row.groups) for row in Identity.objects.filter(user=person)}
    rows = GroupMapping.objects.filter(provider__in=told).select_related("team")
    found = [row for row in rows if row.group in told[row.provider_id]]
    roles = sorted((Role(row.role) for row in found if row.role), key=_ORDER.index)
    teams = {row.team.pk: row.team for row in found if row.team}
    return Meant(str(roles[-1]) if roles else "", teams, bool(found))


def settle(person: User) -> Meant:
    """Bring teams and role of a person to what their groups mean. Call it inside a transaction."""
    meant = meant_for(person)
    _settle_role(person, meant)
    _settle_teams(person, meant)
    rights.forget()
    return meant


def settle_all(persons: Iterable[User]) -> None:
    """As settle, in one transaction."""
    with transaction.atomic():
        for person in persons:
            settle(person)


def _settle_role(person: User, meant: Meant) -> None:
    if _facts(person) == _wanted(person, meant):
        return  # the usual case, without a lock
    fresh = people.lock(person)
    role, own, came = _wanted(fresh, meant)
    if _ORDER.index(Role(role)) < _ORDER.index(Role(fresh.role)) and people.is_last_administrator(fresh):
        events.record("person.role_kept", user=fresh.username)
        return
    User.objects.filter(pk=fresh.pk).update(role=role, own_role=own, came=came)
    if role != fresh.role:
        events.record("person.role_by_group", user=fresh.username, role=str(Role(role)), old=fresh.role)
    person.role, person.own_role, person.came = role, own, came


def _facts(person: User) -> tuple[str, str, str]:
    return person.role, person.own_role, person.came


def _wanted(person: User, meant: Meant) -> tuple[str, str, str]:
    """Role, own role and how they came, as they should be. A role that a hand gave is never made less."""
    own = person.own_role or person.role
    counts = bool(meant.role) and not person.is_superuser and _ORDER.index(Role(meant.role)) >= _ORDER.index(Role(own))
    came = (Came.MAPPED if meant.any else Came.WAITING) if person.came else Came.INVITED
    return (meant.role if counts else own), (own if counts else ""), str(came)


def _settle_teams(person: User, meant: Meant) -> None:
    noted = {row.team_id: row for row in GroupMembership.objects.filter(user=person).select_related("team")}
    members = Team.members.through.objects
    for pk, team in meant.teams.items():
        _, made = members.get_or_create(team_id=pk, user_id=person.pk)
        if made:
            GroupMembership.objects.get_or_create(team=team, user=person)
            events.record("team.joined_by_group", team=team.name, user=person.username)
    for pk, row in noted.items():
        if pk in meant.teams:
            continue
        row.delete()
        if members.filter(team_id=pk, user_id=person.pk).delete()[0]:
            events.record("team.left_by_group", team=row.team.name, user=person.username)
