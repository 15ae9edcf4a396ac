from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from environments import presets
from environments.models.applications import Application
from environments.models.people import Team
from environments.models.places import Environment, Host
from environments.phases import Phase
from environments.preset import UnknownPreset, WrongParameters, WrongPhase
from environments.validation import (
    validate_absolutes,
    validate_labels,
    validate_line,
    validate_name,
    validate_names,
    validate_no_control,
    validate_parameters,
    validate_questions,
    validate_relative,
    validate_relatives,
    validate_root,
    validate_shell,
    validate_umask,
    validate_user,
)

# Raised by the database, or set by a verb of their own.
_KEPT = ("last_number", "fence", "configuration_at", "approvals", "approvers", "approval_hours")


class OnFailure(models.TextChoices):
    """What becomes of the hosts that could not be prepared, once enough others are."""

    QUARANTINE = "quarantine", "leave them behind, and say so"
    RETRY = "retry", "prepare them once more, then leave them behind"
    ABORT = "abort", "switch none"


class Target(models.Model):
    """One application in one environment: what you deploy to.

    A staging endpoint is a target with a name and a parent; the target itself has the empty name.
    """

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="targets")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="targets")
    name = models.CharField(max_length=63, blank=True, default="", validators=[validate_name])
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="endpoints")

    root = models.CharField(
        max_length=500, validators=[validate_root], help_text="The folder on the hosts, as /srv/shop."
    )
    user = models.CharField(max_length=32, default="deploy", validators=[validate_user], help_text="SSH user.")
    path_prepend = models.JSONField(default=list, blank=True, validators=[validate_absolutes])
    shell = models.CharField(max_length=200, default="sh -c", validators=[validate_shell])
    umask = models.CharField(max_length=4, default="022", validators=[validate_umask])
    keep = models.PositiveSmallIntegerField(default=5, validators=[MinValueValidator(2), MaxValueValidator(100)])
    linked_dirs = models.JSONField(default=list, blank=True, validators=[validate_relatives])
    linked_files = models.JSONField(default=list, blank=True, validators=[validate_relatives])
    role = models.CharField(
        max_length=63,
        blank=True,
        default="",
        validators=[validate_name],
        help_text="Only hosts with this role; empty: all.",
    )
    labels = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_labels],
        help_text='Only hosts with all of these labels, as ["tier=front"]; empty: all.',
    )
    needed = models.PositiveSmallIntegerField(
        default=50,
        validators=[MaxValueValidator(100)],
        help_text="Percent of all hosts that must be prepared before any switches.",
    )
    needed_per_region = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(100)], help_text="The same within each region."
    )

    on_failure = models.CharField(
        max_length=10, choices=OnFailure.choices, default=OnFailure.QUARANTINE, db_default=OnFailure.QUARANTINE
    )
    catch_up = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Deploy what is live to hosts that are new or have come back, without being asked.",
    )
    drift_minutes = models.PositiveSmallIntegerField(
        default=15, db_default=15, help_text="How often hosts are asked what they run; 0: never."
    )
    command = models.TextField(
        max_length=10_000,
        blank=True,
        default="",
        db_default="",
        validators=[validate_no_control],
        help_text="Deploy by this command on the runner, instead of laying releases out.",
    )
    command_time_limit = models.PositiveIntegerField(
        default=3600, db_default=3600, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
    )
    runner = models.ForeignKey(
        Host, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Where the command runs."
    )

    configuration_env = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_relative],
        help_text="Where in a release its configuration lies as lines of NAME=value, as `.env`; empty: nowhere.",
    )
    configuration_json = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_relative],
        help_text="Where it lies as one JSON object; empty: nowhere.",
    )
    configuration_files = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        validators=[validate_relatives],
        help_text="Files of the repository in which ${NAME} stands for a value.",
    )
    configuration_at = models.PositiveBigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The newest change of a value that reaches this target: what is live and older may differ.",
    )

    approvals = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="How many must approve a deploy before it starts."
    )
    approvers = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="approves"
    )
    approval_hours = models.PositiveSmallIntegerField(
        default=24, db_default=24, editable=False, help_text="After that an approval counts no more."
    )

    left_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its hosts were left to another tool."
    )
    last_number = models.PositiveIntegerField(default=0, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["application__name", "environment__position", "name"]
        constraints = [
            models.UniqueConstraint(fields=["application", "environment", "name"], name="target_once"),
            models.CheckConstraint(
                condition=models.Q(name="", parent__isnull=True)
                | (~models.Q(name="") & models.Q(parent__isnull=False)),
                name="endpoint_has_name_and_parent",
            ),
            models.CheckConstraint(
                condition=models.Q(approvals=0) | models.Q(approvers__isnull=False), name="approvals_have_approvers"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def save(self, **options: Any) -> None:
        """Saving a row that was read earlier must not set back what others have raised or ruled meanwhile."""
        if not self._state.adding and options.get("update_fields") is None:
            fields = (field.name for field in self._meta.concrete_fields if not field.primary_key)
            options["update_fields"] = [name for name in fields if name not in _KEPT]
        super().save(**options)

    def clean(self) -> None:
        if bool(self.command) != (self.runner is not None):
            raise ValidationError("A target that deploys by a command needs the runner to run it on, and the reverse.")

    @property
    def slug(self) -> str:
        """`shop/staging`, or `shop/staging/feature-x` for an endpoint."""
        return f"{self.application.name}/{self.place}"

    @property
    def place(self) -> str:
        """`staging`, or `staging/feature-x`: the part of the slug behind the application, as addresses have it."""
        return "/".join(filter(None, [self.environment.name, self.name]))

    @property
    def pattern(self) -> "Target":
        """Whose steps and settings it deploys by: an endpoint's are those of its target."""
        return self.parent or self


class Step(models.Model):
    """A command of a deploy."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=63, validators=[validate_name])
    preset = models.CharField(max_length=40, default="command", db_default="command", validators=[validate_name])
    parameters = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        validators=[validate_parameters],
        help_text="What the preset asks for, by name.",
    )
    command = models.TextField(
        max_length=10_000, blank=True, validators=[validate_no_control], help_text="For the preset `command`."
    )
    phase = models.CharField(max_length=8, choices=Phase.choices, default=Phase.PREPARE)
    roles = models.JSONField(default=list, blank=True, validators=[validate_names], help_text="Empty: all hosts.")
    time_limit = models.PositiveIntegerField(default=600, validators=[MinValueValidator(1), MaxValueValidator(86_400)])
    silence_limit = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(1), MaxValueValidator(86_400)], help_text="Seconds without a line."
    )
    sudo = models.BooleanField(default=False, help_text="Run by `sudo -n`.")
    repeatable = models.BooleanField(
        default=True, help_text="May run again when nobody knows whether it ran to its end."
    )

    class Meta:
        ordering = ["target", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["target", "name"], name="step_once_per_target")]

    def __str__(self) -> str:
        return f"{self.name} ({self.phase})"

    def clean(self) -> None:
        if self.silence_limit > self.time_limit:
            raise ValidationError({"silence_limit": "The silence limit is longer than the step's time limit."})
        if not isinstance(self.parameters, dict):
            return  # the field says so itself
        try:
            presets.make(self.preset, self.parameters, self.command, self.phase)
        except UnknownPreset as error:
            raise ValidationError({"preset": str(error)}) from None
        except WrongPhase as error:
            raise ValidationError({"phase": str(error)}) from None
        except WrongParameters as error:
            own = {name: text for name, text in error.problems.items() if name == "command"}
            rest = [f"{name}: {text}" for name, text in error.problems.items() if name not in own]
            raise ValidationError(own | ({"parameters": rest} if rest else {})) from None


class Task(models.Model):
    """A named command that people run on chosen hosts of a target, between deploys."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="tasks")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=63, validators=[validate_name])
    description = models.CharField(max_length=200, blank=True, default="", validators=[validate_line])
    command = models.TextField(max_length=10_000, validators=[validate_no_control])
    parameters = models.JSONField(
        default=list,
        blank=True,
        validators=[validate_questions],
        help_text='What is asked for: [{"name": "key", "label": "Which key?", "choices": [], "default": ""}].',
    )
    roles = models.JSONField(default=list, blank=True, validators=[validate_names], help_text="Empty: all hosts.")
    time_limit = models.PositiveIntegerField(default=600, validators=[MinValueValidator(1), MaxValueValidator(86_400)])
    silence_limit = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(1), MaxValueValidator(86_400)], help_text="Seconds without a line."
    )
    sudo = models.BooleanField(default=False, help_text="Run by `sudo -n`.")
    repeatable = models.BooleanField(
        default=False, help_text="May run again when nobody knows whether it ran to its end."
    )

    class Meta:
        ordering = ["target", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["target", "name"], name="task_once_per_target")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.silence_limit > self.time_limit:
            raise ValidationError({"silence_limit": "The silence limit is longer than the task's time limit."})
