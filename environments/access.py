"""The only gate: who may do what, and where. Doors declare what they need; verbs ask `require`.

A person has what their own role says, everywhere; what they and their teams were granted, in its place; and what
everyone may, which reaches protected environments only as far as somebody has said (environments/rights.py).
A token has no more than its person, and no more than its scopes. docs/permissions.md has the tables.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from environments.models import Application, Environment, Role, Target, User
from environments.reach import EVERYWHERE, Key, Place
from environments.rights import place_of, rights_of

ANYONE = "anyone"
SIGNED_IN = "signed-in"
VIEW = "view"
DEPLOY = "deploy"
LOCK = "lock"
LOCK_FOREVER = "lock without an end"
TAKE_LOCKS = "take over locks"
REORDER = "reorder what waits"
MAINTAIN = "maintain"  # change targets, their steps, configuration and policy
OVERRIDE = "override locks, windows and approvals"
ADMINISTER = "administer"

_GUEST = frozenset({ANYONE, SIGNED_IN})
_VIEWER = _GUEST | {VIEW}
_DEPLOYER = _VIEWER | {DEPLOY, LOCK}
_MAINTAINER = _DEPLOYER | {LOCK_FOREVER, TAKE_LOCKS, REORDER, MAINTAIN}
PERMISSIONS = _MAINTAINER | {OVERRIDE, ADMINISTER}

_GRANTED: dict[str, frozenset[str]] = {
    Role.GUEST: _GUEST,
    Role.VIEWER: _VIEWER,
    Role.DEPLOYER: _DEPLOYER,
    Role.MAINTAINER: _MAINTAINER,
    Role.ADMINISTRATOR: PERMISSIONS,
}

Door = TypeVar("Door", bound=Callable[..., Any])
# Whether a person has a permission for what an address, by its words, is about.
Where = Callable[[User, str, Mapping[str, Any]], bool]


class NotAllowed(Exception):
    """A person lacks a permission. `str()` is the sentence for every door."""

    def __init__(
        self,
        user: User | None,
        permission: str,
        target: Target | None = None,
        *,
        place: Place = EVERYWHERE,
        about: str = "",
    ) -> None:
        self.user, self.permission, self.target, self.place = user, permission, target, place
        who = user.username if user else "Nobody"
        named = target.slug if target else about
        where = f" on {named}" if named else ""
        limited = user is not None and user.limits is not None and not user.limits.allow(permission, place)
        remedy = "This token was made for less." if limited else "Ask an administrator for the role that may."
        super().__init__(f"{who} may not {permission}{where}. {remedy}")


def allows(
    user: User | AnonymousUser | None,
    permission: str,
    target: Target | None = None,
    *,
    application: Application | Key = None,
    environment: Environment | Key = None,
) -> bool:
    """Whether `user` has `permission` (one of PERMISSIONS) in all of what it is about.

    That is `target`, or a whole `application`, a whole `environment`, one in the other, or without any: everything.
    An application or environment may be given by its row, its id or its name. Within a request no query but two.
    """
    return _asked(user, permission, place_of(target, application, environment), somewhere=False)


def allows_somewhere(
    user: User | AnonymousUser | None,
    permission: str,
    *,
    application: Application | Key = None,
    environment: Environment | Key = None,
) -> bool:
    """Whether `user` has `permission` in some part of an application, an environment, or everything."""
    return _asked(user, permission, place_of(None, application, environment), somewhere=True)


def require(
    user: User | None,
    permission: str,
    target: Target | None = None,
    *,
    application: Application | Key = None,
    environment: Environment | Key = None,
) -> None:
    """Raises NotAllowed unless `user` has `permission` as in `allows`; None is the Deployer itself, which may."""
    if user is not None and not allows(user, permission, target, application=application, environment=environment):
        place = place_of(target, application, environment)
        raise NotAllowed(user, permission, target, place=place, about=_name_of(application, environment))


def _name_of(*things: Application | Environment | Key) -> str:
    """`shop/staging`, `all of staging`; of what is known by its id alone nothing is told."""
    names = [str(thing) for thing in things if thing is not None and not isinstance(thing, int)]
    return f"all of {names[0]}" if len(names) == 1 else "/".join(names)


def _asked(user: User | AnonymousUser | None, permission: str, place: Place, *, somewhere: bool) -> bool:
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission!r} is no permission.")
    if permission == ANYONE:
        return True
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.limits and not user.limits.allow(permission, place, somewhere=somewhere):
        return False
    if user.is_superuser or permission in _GRANTED.get(user.role, frozenset()):
        return True
    rights = rights_of(user)
    roles = rights.roles_touching(place) if somewhere else rights.roles_in(place)
    return any(permission in _GRANTED[role] for role in roles)


def visible(
    user: User, *, application: str = "application", environment: str = "environment", by_name: bool = False
) -> Q:
    """Which rows of a list `user` may view, as a filter; the words name a row's fields, `target__application`.

    `by_name`: these fields hold names, as those of events do.
    """
    return _within(user, VIEW, (application, environment), by_name)


def administered(user: User, *, application: str = "application", environment: str = "environment") -> Q:
    """Which rows of a list lie within what `user` administers, as a filter like `visible`."""
    return _within(user, ADMINISTER, (application, environment), by_name=False)


def _within(user: User, permission: str, fields: tuple[str, str], by_name: bool) -> Q:
    """Rows within what the person's own role or grants give `permission` for; what everyone may is not asked."""
    everything = user.is_superuser or role_allows(user.role, permission)
    given = rights_of(user).given if not everything else ()
    found = Q() if everything else Q(pk__in=[])
    for one in (one for one in given if role_allows(one.role, permission)):
        part = Q()
        for field, key in zip(fields, (one.application, one.environment), strict=True):
            part &= Q(**{field: key[by_name]}) if key else Q()
        found = part if not part else found | part
        if not part:
            break
    if user.limits and user.limits.application:
        found &= Q(**{fields[0]: user.limits.application[by_name]})
    return found if user.is_active else Q(pk__in=[])


def needs(permission: str, where: Where | None = None) -> Callable[[Door], Door]:
    """Declare what a view needs; the middleware asks before the view runs."""
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission!r} is no permission.")

    def declare(door: Door) -> Door:
        door.needs = permission  # type: ignore[attr-defined]
        door.where = where  # type: ignore[attr-defined]
        return door

    return declare


def role_allows(role: str, permission: str) -> bool:
    """Whether a role, where it counts, includes a permission."""
    return permission in _GRANTED.get(role, frozenset())
