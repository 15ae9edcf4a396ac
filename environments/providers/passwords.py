"""Whom passwords let in: everyone, or administrators alone, where everyone else comes in by a provider.

Administrators always may, so that somebody can when a provider is down; and so may everyone as long as no provider is
switched on. Links to a new password are passwords too.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest

from environments import access
from environments.models import SignInProvider, SignInRules, User
from environments.providers.errors import AlreadySo, LastWay
from environments.signin_links import is_anybody_there
from notifications import events


def are_said_for_all() -> bool:
    """What administrators have said, whether or not a provider is there."""
    return not SignInRules.objects.filter(passwords_for_all=False).exists()


def are_for_all() -> bool:
    """Whether passwords let everyone in. Two small queries at most."""
    return are_said_for_all() or not SignInProvider.objects.filter(enabled=True).exists()


def open_for(person: User) -> bool:
    return may_always(person) or are_for_all()


def may_always(person: User) -> bool:
    """Administrators of everything, by their own role."""
    return person.is_superuser or access.role_allows(person.role, access.ADMINISTER)


def set_for_all(for_all: bool, *, by: User | None) -> None:
    """Sessions go on; the next sign-in is asked. Raises NotAllowed, AlreadySo, LastWay."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        row, _ = SignInRules.objects.select_for_update().get_or_create(pk=1)
        if row.passwords_for_all == for_all:
            raise AlreadySo(f"Passwords let {'everyone' if for_all else 'administrators alone'} in already.")
        if not for_all:
            _refuse_if_last_way()
        SignInRules.objects.filter(pk=row.pk).update(passwords_for_all=for_all)
        whom = "everyone" if for_all else "administrators alone"
        events.record("passwords.changed", by.username if by else "", whom=whom)


def _refuse_if_last_way() -> None:
    if not SignInProvider.objects.filter(enabled=True, asked_at__isnull=False, trouble="").exists():
        raise LastWay(
            "No sign-in provider is switched on that answered when it was last asked. Test one first, or nobody but "
            "administrators could come in. Nothing was changed."
        )
    if not is_anybody_there():
        raise LastWay(
            "No administrator has a password: when the provider is down, nobody could come in. Let one choose a "
            "password first. Nothing was changed."
        )


class PasswordRule:
    """Asked before passwords are, by every door that asks for one; it lets nobody in by itself."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Raises PermissionDenied for whom passwords do not open, after the same work as for everyone."""
        if are_for_all():
            return
        found = ModelBackend().authenticate(request, **credentials)
        if not isinstance(found, User) or not may_always(found):
            raise PermissionDenied
