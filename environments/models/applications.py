from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from environments.validation import (
    validate_artifact,
    validate_login,
    validate_name,
    validate_no_control,
    validate_no_page,
    validate_ref,
    validate_relative,
    validate_repository,
)


class Application(models.Model):
    """Something with a git repository that is deployed."""

    class Distribution(models.TextChoices):
        ARCHIVE = "archive", "archive (streamed by the Deployer)"
        GIT = "git", "git (fetched by each host)"
        ARTIFACT = "artifact", "artifact (built elsewhere, fetched and streamed by the Deployer)"

    name = models.CharField(max_length=63, unique=True, validators=[validate_name, validate_no_page])
    repository = models.CharField(max_length=500, validators=[validate_repository])
    default_branch = models.CharField(max_length=200, default="main", validators=[validate_ref])
    distribution = models.CharField(max_length=8, choices=Distribution.choices, default=Distribution.ARCHIVE)
    deploy_key = models.TextField(blank=True, editable=False, help_text="Private SSH key for the repository, sealed.")
    https_user = models.CharField(max_length=100, blank=True)
    https_token = models.TextField(blank=True, editable=False, help_text="Token for an https repository, sealed.")

    artifact_url = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_artifact],
        help_text="Address of a build, with {sha} where the revision stands.",
    )
    artifact_sha256_url = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_artifact],
        help_text="Address of its SHA-256, with {sha}; empty: the build's with .sha256.",
    )
    artifact_user = models.CharField(max_length=100, blank=True, default="", db_default="", validators=[validate_login])
    artifact_token = models.TextField(
        blank=True, default="", db_default="", editable=False, help_text="Password or token for it, sealed."
    )
    build_command = models.TextField(
        max_length=10_000,
        blank=True,
        default="",
        db_default="",
        validators=[validate_no_control],
        help_text="Runs once on a worker in a clean folder of the revision; what it leaves is what hosts get.",
    )
    build_output = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_relative],
        help_text="The folder of the result inside that folder; empty: all of it.",
    )
    build_time_limit = models.PositiveIntegerField(
        default=900, db_default=900, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What a way of distribution needs, and what it has no use for."""
        if self.distribution != self.Distribution.ARTIFACT:
            return
        if not self.artifact_url:
            raise ValidationError({"artifact_url": "Builds made elsewhere need an address, with {sha} in it."})
        if self.build_command:
            raise ValidationError({"build_command": "These builds are made elsewhere; nothing is built here."})

    @property
    def streamed(self) -> bool:
        """Whether the Deployer sends what hosts get; otherwise each host fetches from the repository."""
        return self.distribution != self.Distribution.GIT or bool(self.build_command)


class GitHostKey(models.Model):
    """A pinned key of a git host, accepted by a person; without one nothing is fetched over SSH."""

    host = models.CharField(max_length=260, help_text="As in known_hosts: `host` or `[host]:port`.")
    algorithm = models.CharField(max_length=64)
    key = models.TextField(help_text="The public key, base64.")
    accepted_by = models.CharField(max_length=150)
    accepted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "key"], name="git_host_key_once")]

    def __str__(self) -> str:
        return f"{self.host} {self.algorithm}"
