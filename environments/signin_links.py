"""One-time links by which a new administrator comes in: the first of all is printed at the start.

LinkUnusable    used, expired, replaced by a newer one, or never made
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from environments.models import Role, SignInLink, User
from notifications import events

LIFE = timedelta(hours=24)
SECRET_BYTES = 32
MOST_CHARACTERS = 100


class LinkUnusable(Exception):
    """`str()` is the sentence for every door."""

    def __init__(self) -> None:
        super().__init__(
            "This link opens nothing: it was used already, it is older than 24 hours, or a newer one took its place. "
            "Nothing was changed. Sign in if you have a password; otherwise run `manage.py signin-link` on the "
            "Deployer's machine, which prints a new one."
        )


@dataclass(frozen=True)
class Chosen:
    """What the person behind a link chooses, validated by the door's form."""

    username: str
    full_name: str
    password: str


def is_anybody_there() -> bool:
    """Whether some administrator can sign in."""
    able = User.objects.filter(is_active=True).exclude(password="").exclude(password__startswith="!")
    return able.filter(Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True)).exists()


def make(*, by: str = "") -> str:
    """The address of a new link, in plain; it cannot be read again. Earlier ones open nothing more."""
    plain = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        SignInLink.objects.all().delete()
        SignInLink.objects.create(digest=_digest(plain), expires_at=timezone.now() + LIFE)
        events.record("signin_link.created", by)
    return f"{settings.BASE_URL}/welcome/{plain}"


def find(plain: str) -> SignInLink:
    """The link that `plain` is. Raises LinkUnusable."""
    usable = SignInLink.objects.filter(expires_at__gt=timezone.now())
    found = usable.filter(digest=_digest(plain)).first() if len(plain) <= MOST_CHARACTERS else None
    if found is None:
        raise LinkUnusable
    return found


def use(plain: str, chosen: Chosen) -> User:
    """A new administrator, who may sign in now. Raises LinkUnusable.

    A link is used by removing it: of two who use it at once, one finds it gone, and nothing else has happened.
    """
    link = find(plain)
    first, _, last = " ".join(chosen.full_name.split()).partition(" ")
    with transaction.atomic():
        removed, _ = SignInLink.objects.filter(pk=link.pk, expires_at__gt=timezone.now()).delete()
        if not removed:
            raise LinkUnusable
        user = User.objects.create_user(
            chosen.username,
            password=chosen.password,
            first_name=first[:150],
            last_name=last[:150],
            role=Role.ADMINISTRATOR,
            is_staff=True,
        )
        events.record("person.added", user.username, user=user.username, role=user.role)
    return user


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
