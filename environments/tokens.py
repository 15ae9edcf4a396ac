"""Bearer tokens: shown once, kept as a hash, worth nothing when their person is disabled."""

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from environments.models import Token, User
from notifications import events

PREFIX = "dpl_"
SECRET_BYTES = 30  # 40 characters of base64
MOST_CHARACTERS = 200
USED_EVERY = timedelta(minutes=1)


class UserDisabled(ValueError):
    """A disabled user gets no token."""


def create(*, user: User, machine: bool = False, by: str = "") -> str:
    """A new token of `user`, in plain; it cannot be read again. Raises UserDisabled.

    Deploys by a machine's token count as automatic. `by` is the user name of who asked, or "".
    """
    if not user.is_active:
        raise UserDisabled(f"{user.username} is disabled, so a token would open nothing. Enable the user first.")
    plain = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        token = Token.objects.create(user=user, digest=digest_of(plain), machine=machine)
        events.record("token.created", by, user=user.username, token=token.pk, machine=machine)
    return plain


def find(plain: str) -> Token | None:
    """The token that `plain` is, with its user; None when it opens nothing.

    The lookup is by digest, so its time tells nothing about how much of a guess was right.
    """
    if not plain.startswith(PREFIX) or len(plain) > MOST_CHARACTERS:
        return None
    found = Token.objects.select_related("user").filter(digest=digest_of(plain), user__is_active=True).first()
    if found:
        _note_use(found)
    return found


def revoke(token: Token, *, by: str) -> None:
    """From now on the token opens nothing."""
    with transaction.atomic():
        events.record("token.revoked", by, user=token.user.username, token=token.pk)
        token.delete()


def digest_of(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _note_use(token: Token) -> None:
    """At most one write a minute, whatever a script does with the token."""
    now = timezone.now()
    if token.used_at is None or token.used_at < now - USED_EVERY:
        stale = Q(used_at=None) | Q(used_at__lt=now - USED_EVERY)
        Token.objects.filter(stale, pk=token.pk).update(used_at=now)
