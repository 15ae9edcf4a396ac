"""Who is given which role, and where; and what everyone may.

Errors:

    GrantError
    ├── WrongRole     there is no such role, or it cannot be given there
    └── AlreadySo     nothing would change
"""

from typing import Any

from django.db import transaction
from django.db.models import Q

from environments import access, rights
from environments.models import GRANTED_ROLES, Application, DefaultRoles, Environment, Grant, Role, Team, User
from environments.models.grants import EVERYONES_ROLES
from notifications import events

_ORDER = (Role.GUEST, Role.VIEWER, Role.DEPLOYER, Role.MAINTAINER, Role.ADMINISTRATOR)


class GrantError(Exception):
    """`str()` is the sentence for every door."""


class WrongRole(GrantError):
    pass


class AlreadySo(GrantError):
    pass


def give(
    holder: User | Team,
    role: str,
    *,
    application: Application | None = None,
    environment: Environment | None = None,
    by: User | None,
) -> Grant:
    """`holder` has this role there from now on, instead of another one that was given for the same place.

    Who administers an application or environment may give roles in it. Raises NotAllowed, WrongRole, AlreadySo.
    """
    access.require(by, access.ADMINISTER, application=application, environment=environment)
    if role not in GRANTED_ROLES:
        raise WrongRole(f"{role[:40]!r} is no role that can be given: {', '.join(GRANTED_ROLES)}. Nothing was changed.")
    place = tell_place(application, environment)
    facts = {"role": str(Role(role)), "place": place, **_holder(holder)}
    with transaction.atomic():
        found, made = Grant.objects.get_or_create(
            **_held_by(holder),
            application=application,
            environment=environment,
            defaults={"role": Role(role), "given_by": _by(by)},
        )
        if not made and not _held(found, role, by):
            raise AlreadySo(f"{holder} is {role} {place} already.")
        events.record("grant.given", _by(by), **_names(application, environment), **facts)
    rights.forget()
    found.role = Role(role)
    return found


def take_away(grant: Grant, *, by: User | None) -> None:
    """From now on this gives nothing any more; doing it twice is harmless. Raises NotAllowed."""
    access.require(by, access.ADMINISTER, application=grant.application, environment=grant.environment)
    with transaction.atomic():
        if not Grant.objects.filter(pk=grant.pk).delete()[0]:
            return
        place = tell_place(grant.application, grant.environment)
        facts = {"role": grant.role, "place": place, **_holder(grant.person or grant.team)}
        events.record("grant.taken", _by(by), **_names(grant.application, grant.environment), **facts)
    rights.forget()


def set_everyones(*, unprotected: str, protected: str, by: User | None) -> None:
    """What everyone who is signed in may, guests apart. Raises NotAllowed, WrongRole."""
    access.require(by, access.ADMINISTER)
    if not {unprotected, protected} <= set(EVERYONES_ROLES):
        raise WrongRole(f"Everyone can be {', '.join(EVERYONES_ROLES)}, nothing else. Nothing was changed.")
    if _ORDER.index(Role(protected)) > _ORDER.index(Role(unprotected)):
        raise WrongRole(
            f"Everyone would be {protected} where it is protected and only {unprotected} elsewhere: that protects "
            "nothing. Nothing was changed."
        )
    with transaction.atomic():
        DefaultRoles.objects.update_or_create(pk=1, defaults={"unprotected": unprotected, "protected": protected})
        events.record("everyone.changed", _by(by), role=unprotected, protected=protected)
    rights.forget()


def tell_place(application: Application | None, environment: Environment | None) -> str:
    """Words that follow a role: `in shop/staging`, `in all of shop`, `in all of staging`, `everywhere`."""
    if application and environment:
        return f"in {application.name}/{environment.name}"
    whole = application or environment
    return f"in all of {whole.name}" if whole else "everywhere"


def _held(found: Grant, role: str, by: User | None) -> bool:
    """Whether a grant that was there changed its role."""
    changed = Grant.objects.filter(~Q(role=role), pk=found.pk)
    return bool(changed.update(role=Role(role), given_by=_by(by)))


def _held_by(holder: User | Team) -> dict[str, User | Team | None]:
    return {"person": holder, "team": None} if isinstance(holder, User) else {"person": None, "team": holder}


def _holder(holder: User | Team | None) -> dict[str, Any]:
    return {"user": holder.username} if isinstance(holder, User) else {"team": holder.name if holder else ""}


def _names(application: Application | None, environment: Environment | None) -> dict[str, Any]:
    return {
        "application": application.name if application else "",
        "environment": environment.name if environment else "",
    }


def _by(person: User | None) -> str:
    return person.username if person else ""
