"""The only gate: who may do what. Doors declare what they need; verbs ask `require`."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser

from environments.models import Role, Target, User

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

_VIEWER = frozenset({ANYONE, SIGNED_IN, VIEW})
_DEPLOYER = _VIEWER | {DEPLOY, LOCK}
_MAINTAINER = _DEPLOYER | {LOCK_FOREVER, TAKE_LOCKS, REORDER, MAINTAIN}
PERMISSIONS = _MAINTAINER | {OVERRIDE, ADMINISTER}

_GRANTED: dict[str, frozenset[str]] = {
    Role.VIEWER: _VIEWER,
    Role.DEPLOYER: _DEPLOYER,
    Role.MAINTAINER: _MAINTAINER,
    Role.ADMINISTRATOR: PERMISSIONS,
}

Door = TypeVar("Door", bound=Callable[..., Any])


class NotAllowed(Exception):
    """A person lacks a permission. `str()` is the sentence for every door."""

    def __init__(self, user: User | None, permission: str, target: Target | None = None) -> None:
        self.user, self.permission, self.target = user, permission, target
        who = user.username if user else "Nobody"
        where = f" on {target.slug}" if target else ""
        super().__init__(f"{who} may not {permission}{where}. Ask an administrator for the role that may.")


def allows(user: User | AnonymousUser | None, permission: str, target: Target | None = None) -> bool:
    """Whether `user` has `permission` (one of PERMISSIONS), on `target` where it is about one."""
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission!r} is no permission.")
    if permission == ANYONE:
        return True
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_superuser:
        return True
    return permission in _GRANTED.get(user.role, frozenset())


def require(user: User | None, permission: str, target: Target | None = None) -> None:
    """Raises NotAllowed unless `user` has `permission`; None is the Deployer itself, which may."""
    if user is not None and not allows(user, permission, target):
        raise NotAllowed(user, permission, target)


def needs(permission: str) -> Callable[[Door], Door]:
    """Declare what a view needs; the middleware asks before the view runs."""
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission!r} is no permission.")

    def declare(door: Door) -> Door:
        door.needs = permission  # type: ignore[attr-defined]
        return door

    return declare
