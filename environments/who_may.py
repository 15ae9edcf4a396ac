"""Who may do what at a target, and why: the same rows as the gate reads, for everyone at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from environments.granting import tell_place
from environments.models import Came, Grant, Role, Target, Team, User
from environments.rights import Everyone, everyone, place_of

MOST = 200
_ORDER = list(Role)  # from the one that may most to the one that may least


@dataclass(frozen=True)
class Reason:
    """A role that counts at the target, and where it comes from."""

    role: Role
    words: str


@dataclass(frozen=True)
class Line:
    """A person, what they are at the target, and all that makes them so, the strongest first."""

    person: User
    reasons: tuple[Reason, ...]

    @property
    def role(self) -> Role:
        return self.reasons[0].role

    @property
    def strongest(self) -> list[Reason]:
        """Each of these alone makes them what they are."""
        return [reason for reason in self.reasons if reason.role == self.role]

    @property
    def weaker(self) -> list[Reason]:
        """What would be left without those."""
        return [reason for reason in self.reasons if reason.role != self.role]


@dataclass(frozen=True)
class WhoMay:
    """Those who are more than everyone, or were granted something, by name; `others` are just `everyone`."""

    lines: list[Line]
    more: int
    everyone: Role
    others: int
    guests: int  # who do not see it at all


def who_may(target: Target, all_may: Everyone | None = None) -> WhoMay:
    """Five queries at most, however many people there are; at most MOST of them by name.

    `all_may`: what everyone may, where somebody has read it already.
    """
    base = Role((all_may or everyone()).role_in(place_of(target)))
    held = _held_at(target)
    stronger = _ORDER[: _ORDER.index(base)]
    people = User.objects.filter(is_active=True).only(
        "username", "first_name", "last_name", "role", "is_superuser", "came"
    )
    waiting = Q(came=Came.WAITING) if base != Role.VIEWER else Q(pk__in=[])
    named = people.filter(Q(is_superuser=True) | Q(role__in=stronger) | Q(pk__in=held) | waiting).order_by("username")
    lines = [Line(person, _reasons(person, held.get(person.pk, ()), base)) for person in named]
    lines.sort(key=lambda line: (_ORDER.index(line.role), line.person.username))
    unnamed = people.filter(is_superuser=False).exclude(role__in=stronger).exclude(pk__in=held).exclude(waiting)
    counted = unnamed.aggregate(all=Count("pk"), guests=Count("pk", filter=Q(role=Role.GUEST)))
    guests = counted["guests"]
    return WhoMay(lines[:MOST], max(len(lines) - MOST, 0), base, counted["all"] - guests, guests)


def _held_at(target: Target) -> Mapping[int, list[Reason]]:
    """By person: what was granted to them or to a team of theirs that counts at the target."""
    grants = Grant.objects.filter(
        Q(application=None) | Q(application=target.application_id),
        Q(environment=None) | Q(environment=target.environment_id),
    )
    told = ("person", "role", "team__name", "application__name", "environment__name")
    grants = grants.select_related("team", "application", "environment").only(*told)
    found: dict[int, list[Reason]] = defaultdict(list)
    of_teams: dict[int, list[Reason]] = defaultdict(list)
    for grant in grants:
        place = tell_place(grant.application, grant.environment)
        if grant.person_id:
            found[grant.person_id].append(Reason(Role(grant.role), f"given {place}"))
        elif grant.team:
            of_teams[grant.team.pk].append(Reason(Role(grant.role), f"team {grant.team.name}, given {place}"))
    for team, person in Team.members.through.objects.filter(team__in=of_teams).values_list("team_id", "user_id"):
        found[person] += of_teams[team]
    return found


def _reasons(person: User, held: Iterable[Reason], base: Role) -> tuple[Reason, ...]:
    own, guest = Role(person.role), person.role == Role.GUEST
    reasons = [Reason(Role.ADMINISTRATOR, "administers all")] if person.is_superuser else []
    reasons += [] if guest else [Reason(own, "own role")]
    if person.came == Came.WAITING:
        reasons += [*held, Reason(Role.VIEWER, "came by a provider, no group mapped yet")]
    else:
        reasons += [*held, *([] if guest else [Reason(base, "everyone")])]
    return tuple(sorted(reasons, key=lambda reason: _ORDER.index(reason.role)))
