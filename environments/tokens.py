"""Bearer tokens: shown once, kept as a hash, worth nothing when their person is disabled or their time is over.

Errors:

    ValueError
    ├── UserDisabled   a disabled user gets no token
    ├── NoName         nobody will know later what the token is for
    ├── WrongScope     it would be for nothing, or for something that there is not
    └── WrongDays      its time is no number of days
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from environments import access
from environments.models import Application, Token, User
from environments.reach import EVERYWHERE, Limits
from notifications import events

PREFIX = "dpl_"
_READ = frozenset({access.ANYONE, access.SIGNED_IN, access.VIEW})
SCOPES = {
    "read": _READ,
    "deploy": _READ | {access.DEPLOY, access.REORDER},
    "lock": _READ | {access.LOCK, access.LOCK_FOREVER, access.TAKE_LOCKS},
    "admin": access.PERMISSIONS,
}
LONGEST_NAME = 100
SECRET_BYTES = 30  # 40 characters of base64
MOST_CHARACTERS = 200
USED_EVERY = timedelta(minutes=1)
MOST_DAYS = 3650


class UserDisabled(ValueError):
    """A disabled user gets no token."""


class NoName(ValueError):
    """A token without a name."""


class WrongScope(ValueError):
    """A token for nothing, or for something that there is not."""


class WrongDays(ValueError):
    """A time that is no number of days."""


def make(
    *,
    user: User,
    name: str,
    days: int | None,
    scopes: Collection[str],
    application: Application | None = None,
    machine: bool = False,
    by: User,
) -> str:
    """The same as `create`, asked for by a person: for themselves, or by an administrator for anyone.

    `days`: for how long; None: until it is revoked. Who came by a token needs one that is for all.
    Raises NotAllowed, UserDisabled, NoName, WrongScope, WrongDays.
    """
    _refuse_tokens(by)
    if by != user:
        access.require(by, access.ADMINISTER)
    if not (words := " ".join(name.split())[:LONGEST_NAME]):
        raise NoName("Say what the token is for: whoever revokes it one day wants to know. None was made.")
    expires = end_after(days)
    scope = read_scopes(scopes)
    return create(
        user=user,
        machine=machine,
        by=by.username,
        name=words,
        expires_at=expires,
        scope=scope,
        application=application,
    )


def end_after(days: int | None) -> datetime | None:
    """When a token ends; None: when it is revoked. Raises WrongDays."""
    if days is not None and not 0 < days <= MOST_DAYS:
        raise WrongDays(f"A token lives for 1 to {MOST_DAYS} days, or until it is revoked. None was made.")
    return None if days is None else timezone.now() + timedelta(days=days)


def read_scopes(scopes: Collection[str]) -> str:
    """In their order, as a token keeps them. Raises WrongScope."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise WrongScope(f"A token is for one or more of {', '.join(SCOPES)}. None was made.")
    return " ".join(word for word in SCOPES if word in scopes)


def _refuse_tokens(by: User) -> None:
    """A token that is for less than all makes and revokes none: it would outlive its own end. Raises NotAllowed."""
    if by.limits is not None and not by.limits.allow(access.ADMINISTER, EVERYWHERE):
        raise access.NotAllowed(by, access.ADMINISTER)


def withdraw(token: Token, *, by: User) -> None:
    """Revoke a token of one's own, or as an administrator anyone's. Raises NotAllowed."""
    _refuse_tokens(by)
    if token.user != by:
        access.require(by, access.ADMINISTER)
    revoke(token, by=by.username)


def create(
    *,
    user: User,
    machine: bool = False,
    by: str = "",
    name: str = "",
    expires_at: datetime | None = None,
    scope: str = "admin",
    application: Application | None = None,
) -> str:
    """A new token of `user`, in plain; it cannot be read again. Raises UserDisabled.

    Deploys by a machine's token count as automatic. `by` is the user name of who asked, or "".
    """
    if not user.is_active:
        raise UserDisabled(f"{user.username} is disabled, so a token would open nothing. Enable the user first.")
    plain = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        token = Token.objects.create(
            user=user,
            digest=digest_of(plain),
            machine=machine,
            name=name,
            expires_at=expires_at,
            scope=scope,
            application=application,
        )
        facts = {"user": user.username, "token": token.pk, "machine": machine, "scope": scope, **_named(name)}
        events.record("token.created", by, application=application.name if application else "", **facts)
    return plain


def find(plain: str) -> Token | None:
    """The token that `plain` is, with its user; None when it opens nothing.

    The lookup is by digest, so its time tells nothing about how much of a guess was right.
    """
    if not plain.startswith(PREFIX) or len(plain) > MOST_CHARACTERS:
        return None
    valid = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    try:
        found = Token.objects.select_related("user", "application").get(
            valid, digest=digest_of(plain), user__is_active=True
        )
    except Token.DoesNotExist:
        return None
    _note_use(found)
    found.user.limits = limits_of(found)
    return found


def limits_of(token: Token) -> Limits:
    """What a token is for, whatever its person may."""
    words = set(token.scope.split())
    permissions = frozenset().union(*(SCOPES[word] for word in words if word in SCOPES))
    application = token.application
    return Limits(permissions, (application.pk, application.name) if application else None)


def revoke(token: Token, *, by: str) -> None:
    """From now on the token opens nothing."""
    with transaction.atomic():
        events.record("token.revoked", by, user=token.user.username, token=token.pk, **_named(token.name))
        token.delete()


def _named(name: str) -> dict[str, Any]:
    return {"name": name} if name else {}


def digest_of(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _note_use(token: Token) -> None:
    """At most one write a minute, whatever a script does with the token."""
    now = timezone.now()
    if token.used_at is None or token.used_at < now - USED_EVERY:
        stale = Q(used_at=None) | Q(used_at__lt=now - USED_EVERY)
        Token.objects.filter(stale, pk=token.pk).update(used_at=now)
