from datetime import time

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.crypto import salted_hmac

from environments.reach import Limits
from environments.validation import validate_name


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator"
    MAINTAINER = "maintainer"
    DEPLOYER = "deployer"
    VIEWER = "viewer"
    GUEST = "guest"  # only what somebody grants: what everyone may is not for guests


class Came(models.TextChoices):
    """How a person came here, as far as their rights depend on it."""

    INVITED = "", "by somebody here"
    MAPPED = "mapped", "by a provider; a group of theirs means something here"
    WAITING = "waiting", "by a provider; they look, and no more, until a group is mapped or a role given"


class User(AbstractUser):
    """A person, or a machine that acts with a token."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    horn = models.BooleanField(
        default=True, db_default=True, help_text="Whether the horn sounds on an open page when a deploy ends."
    )
    horn_volume = models.PositiveSmallIntegerField(
        default=60, db_default=60, validators=[MaxValueValidator(100)], help_text="Percent."
    )

    # Of whoever came by a token: what that is for. The gate asks it (environments/access.py).
    limits: Limits | None = None
    day_ends = models.TimeField(
        default=time(18),
        db_default=time(18),
        help_text="When the working day ends, where the person is.",
    )
    calendar_digest = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        unique=True,
        editable=False,
        help_text="Of the secret in the address of their calendar.",
    )

    session_mark = models.CharField(
        max_length=32, blank=True, default="", db_default="", editable=False, help_text="A new one ends their sessions."
    )

    hook = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="That of a source of hooks: nobody signs in with it."
    )
    came = models.CharField(
        max_length=8, choices=Came.choices, blank=True, default=Came.INVITED, db_default="", editable=False
    )
    own_role = models.CharField(
        max_length=16,
        choices=Role.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What somebody made them, while a group of theirs makes them more.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known")]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's own, and while there is a mark, that too: a session holds as long as both stay."""
        whole: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        if not self.session_mark:
            return whole
        return salted_hmac(whole, self.session_mark, secret=secret, algorithm="sha256").hexdigest()

    @property
    def full_name(self) -> str:
        return self.get_full_name() or self.username


class Team(models.Model):
    """People who answer for something together: any of them may do what the team may, and holds what it holds."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    members = models.ManyToManyField(User, related_name="teams", blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Token(models.Model):
    """A bearer token; only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, in hex.")
    machine = models.BooleanField(default=False, help_text="Deploys by this token count as automatic.")
    name = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="What it is for, in its owner's words."
    )
    scope = models.CharField(
        max_length=40, default="read", db_default="admin", help_text="What it is for: read, deploy, lock, admin."
    )
    application = models.ForeignKey(
        "environments.Application", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From then on it opens nothing; empty: never.")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"token {self.pk} of {self.user}"


class SignInLink(models.Model):
    """A link by which somebody becomes an administrator; only its hash is kept."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's secret, in hex.")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"sign-in link {self.pk}"
