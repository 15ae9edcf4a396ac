"""The secret address of a person's calendar: a calendar program cannot sign in, so the address is what lets it in.

Only its hash is kept. It shows what that person may view, and nothing when they are disabled.
"""

import hashlib
import secrets

from django.db import transaction

from environments.models import User
from notifications import events

SECRET_BYTES = 32
MOST_CHARACTERS = 100


def make_secret(person: User) -> str:
    """A new one, in plain; it cannot be read again, and the one before opens nothing more."""
    plain = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        User.objects.filter(pk=person.pk).update(calendar_digest=_digest(plain))
        events.record("calendar.address_made", person.username)
    return plain


def remove_secret(person: User) -> bool:
    """Whether there was one."""
    with transaction.atomic():
        there = User.objects.filter(pk=person.pk, calendar_digest__isnull=False)
        if not there.update(calendar_digest=None):
            return False
        events.record("calendar.address_removed", person.username)
    return True


def find_reader(plain: str) -> User | None:
    """Whose address this is."""
    if len(plain) > MOST_CHARACTERS:
        return None
    return User.objects.filter(calendar_digest=_digest(plain), is_active=True).first()


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
