"""The only gate: what a role says, where nothing else was said."""

import pytest
from django.contrib.auth.models import AnonymousUser

from environments import access
from environments.access import (
    ADMINISTER,
    ANYONE,
    DEPLOY,
    LOCK,
    LOCK_FOREVER,
    MAINTAIN,
    OVERRIDE,
    REORDER,
    SIGNED_IN,
    TAKE_LOCKS,
    VIEW,
    NotAllowed,
)
from environments.models import Role, User

_DEPLOYER = {ANYONE, SIGNED_IN, VIEW, DEPLOY, LOCK}

MAY = {
    Role.GUEST: {ANYONE, SIGNED_IN},
    Role.VIEWER: {ANYONE, SIGNED_IN, VIEW},
    Role.DEPLOYER: _DEPLOYER,
    Role.MAINTAINER: _DEPLOYER | {LOCK_FOREVER, TAKE_LOCKS, REORDER, MAINTAIN},
    Role.ADMINISTRATOR: _DEPLOYER | {LOCK_FOREVER, TAKE_LOCKS, REORDER, MAINTAIN, OVERRIDE, ADMINISTER},
}


@pytest.mark.parametrize("permission", sorted(access.PERMISSIONS))
@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_it_says(role: Role, permission: str) -> None:
    user = User(username="ada", role=role)
    assert access.allows(user, permission) == (permission in MAY[role])
    if permission in MAY[role]:
        access.require(user, permission)
    else:
        with pytest.raises(NotAllowed, match=f"ada may not {permission}"):
            access.require(user, permission)


@pytest.mark.parametrize("permission", sorted(access.PERMISSIONS - {ANYONE}))
@pytest.mark.parametrize(
    "user",
    [
        None,
        AnonymousUser(),
        User(username="gone", role=Role.ADMINISTRATOR, is_active=False),
        User(username="gone", is_superuser=True, is_active=False),
        User(username="odd", role="owner"),
        User(username="staff", role="", is_staff=True),
    ],
)
def test_nobody_and_who_is_gone_may_nothing(user: User | AnonymousUser | None, permission: str) -> None:
    assert not access.allows(user, permission)
    assert access.allows(user, ANYONE)


def test_a_superuser_may_all() -> None:
    root = User(username="root", is_superuser=True)
    assert all(access.allows(root, permission) for permission in access.PERMISSIONS)


def test_the_deployer_itself_may() -> None:
    access.require(None, ADMINISTER)


def test_a_permission_that_there_is_not_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="'fly' is no permission"):
        access.allows(User(role=Role.ADMINISTRATOR), "fly")
    with pytest.raises(ValueError, match="'fly' is no permission"):
        access.needs("fly")


def test_a_door_says_what_it_needs() -> None:
    @access.needs(VIEW)
    def door() -> str:
        return "open"

    assert (door(), door.needs) == ("open", VIEW)  # type: ignore[attr-defined]
