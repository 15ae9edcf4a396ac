from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from deployments.models.releases import Release
from deployments.models.workers import Worker
from deployments.states import ACTIVE, DeployStatus, RunStatus
from environments.models import Host, Lock, Target, User


class Kind(models.TextChoices):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RETRY = "retry"
    CONVERGE = "converge"
    CONFIGURATION = "configuration"
    SWITCH = "switch"
    TASK = "task"


class Trigger(models.TextChoices):
    PAGE = "page"
    API = "API"
    CLI = "CLI"
    HOOK = "hook"
    CHAT = "chat"
    SCHEDULE = "schedule"
    SYSTEM = "system"


class Deploy(models.Model):
    """One attempt to make a revision live on a target. Only `deployments.lifecycle` writes its status."""

    key = models.CharField(
        max_length=16, unique=True, help_text="Names this deploy's programs on hosts; random, never reused."
    )
    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="deploys")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=13, choices=Kind.choices, default=Kind.DEPLOY)
    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    automatic = models.BooleanField(default=False)
    of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="answers")
    status = models.CharField(max_length=15, choices=DeployStatus.choices)
    reason = models.TextField(blank=True, default="", help_text="Why it ended as it did, in a sentence.")
    ref = models.CharField(max_length=200)
    revision = models.CharField(max_length=40)
    release = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, related_name="deploys")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="deploys")
    by_name = models.CharField(max_length=310, help_text="Kept when the person is gone.")
    plan = models.JSONField(
        default=dict,
        help_text='{"waves": [{"hosts": n}], "needed": percent, "needed_per_region": percent, "on_failure": word}',
    )
    recipe = models.JSONField(
        default=dict, help_text="The target's steps and settings as they were when it was requested."
    )
    held = models.BooleanField(
        default=False, db_default=False, help_text="Stops when enough is prepared, until someone flips it."
    )
    flip_at = models.DateTimeField(null=True, blank=True, help_text="When a held deploy flips by itself.")
    prepared_at = models.DateTimeField(null=True, blank=True, help_text="Since when a held deploy could go live.")
    confirmed = models.BooleanField(
        default=False, db_default=False, help_text="Whoever asked for it has seen the warnings and goes on."
    )
    over_locks = models.BooleanField(
        default=False, db_default=False, help_text="It goes over locks: a rollback or an emergency, with a reason."
    )
    met_lock = models.ForeignKey(
        Lock,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="An automatic one that met this lock: it waits until a person says deploy it or drop it.",
    )
    let_go_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Who said deploy it."
    )
    build_missing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is its turn and a build made elsewhere is not there."
    )
    front = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Above 0: moved to the front of those that wait; the highest goes first."
    )
    subject = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The digest of its revision, configuration and steps: what an approval is about.",
    )
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True, help_text="When someone asked to cancel.")
    finished_at = models.DateTimeField(null=True, blank=True)
    lines = models.PositiveBigIntegerField(default=0, help_text="Lines in the log so far.")
    log_sha256 = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["target", "number"], name="number_once_per_target"),
            models.UniqueConstraint(
                fields=["target"], condition=models.Q(status__in=ACTIVE), name="one_active_deploy_per_target"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "target"], name="deploy_by_status"),
            models.Index(fields=["target", "-id"], name="deploy_by_target"),
            models.Index(fields=["by", "-id"], name="deploy_by_person"),
            # the last good release of a target, which may lie far behind
            models.Index(
                fields=["target", "-release", "-id"],
                condition=models.Q(status=DeployStatus.SUCCEEDED),
                name="deploy_that_was_good",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target} #{self.number}"

    @property
    def rests(self) -> bool:
        """Enough is prepared, and it waits for someone to say that it goes live."""
        return self.held and self.prepared_at is not None and self.status == DeployStatus.RUNNING

    @property
    def asker(self) -> tuple[User | None, bool]:
        """For whom locks are asked about it, and whether that is a machine."""
        if self.let_go_by is not None:
            return self.let_go_by, False
        return self.by, self.automatic

    @property
    def build_awaited_until(self) -> datetime | None:
        """When it ends if its build has not come by then; None while nobody has looked for it in its turn."""
        if self.build_missing_since is None:
            return None
        return self.build_missing_since + timedelta(minutes=settings.ARTIFACT_WAIT_MINUTES)

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE


class HostRun(models.Model):
    """One host's part in one deploy."""

    deploy = models.ForeignKey(Deploy, on_delete=models.CASCADE, related_name="runs")
    host = models.ForeignKey(Host, on_delete=models.SET_NULL, null=True, related_name="runs")
    host_name = models.CharField(max_length=63)
    region = models.CharField(max_length=63, blank=True, default="")
    zone = models.CharField(max_length=63, blank=True, default="")
    roles = models.JSONField(default=list)
    wave = models.PositiveSmallIntegerField(default=0)
    status = models.CharField(max_length=11, choices=RunStatus.choices, default=RunStatus.PENDING)
    step = models.CharField(max_length=100, blank=True, default="", help_text="What it is doing, or did last.")
    error_kind = models.CharField(max_length=32, blank=True, default="")
    error = models.TextField(blank=True, default="", help_text="What happened, what it means and what to do.")
    revision = models.CharField(
        max_length=40, blank=True, default="", help_text="What the host ran when this part ended."
    )
    previous = models.CharField(max_length=63, blank=True, default="", help_text="The release that was current before.")
    switched_at = models.DateTimeField(null=True, blank=True, help_text="When `current` became this deploy's release.")
    fence = models.PositiveBigIntegerField(default=0)
    claimed_by = models.ForeignKey(Worker, on_delete=models.SET_NULL, null=True, blank=True, related_name="runs")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["deploy", "host_name"], name="host_once_per_deploy")]

    def __str__(self) -> str:
        return f"{self.host_name} in deploy {self.deploy_id}"


class ProgramPhase(models.TextChoices):
    PREPARE = "prepare"
    ONCE = "once"
    SWITCH = "switch"
    FINISH = "finish"
    TASK = "task"
    COMMAND = "command"


class Program(models.Model):
    """A program that a host starts once. `result` is empty until the host has told how it ended."""

    run = models.ForeignKey(HostRun, on_delete=models.CASCADE, related_name="programs")
    phase = models.CharField(max_length=7, choices=ProgramPhase.choices)
    attempt = models.PositiveSmallIntegerField(default=1)
    nonce = models.CharField(max_length=32)
    result = models.CharField(max_length=200, blank=True, default="")
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "phase", "attempt"], name="program_once")]

    def __str__(self) -> str:
        return f"{self.phase} {self.attempt} of run {self.run_id}"


class Standing(models.Model):
    """Where a target stands: pointers, so that no page searches the history."""

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="standing")
    latest = models.ForeignKey(Deploy, on_delete=models.SET_NULL, null=True, related_name="+")
    live = models.ForeignKey(
        Deploy, on_delete=models.SET_NULL, null=True, related_name="+", help_text="What put a release live last."
    )

    looked_at = models.DateTimeField(null=True, blank=True, help_text="When its hosts were last asked what they run.")
    behind = models.PositiveIntegerField(
        null=True, blank=True, help_text="Commits live in the environment before and not here; empty: nobody knows."
    )
    ahead = models.PositiveIntegerField(null=True, blank=True, help_text="Commits live here and not there.")
    compared = models.CharField(
        max_length=81,
        blank=True,
        default="",
        db_default="",
        help_text="The two revisions that this is true of, this target's first; empty: to be counted.",
    )

    def __str__(self) -> str:
        return f"standing of {self.target}"


class Star(models.Model):
    """A target that a person wants to see first."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="stars")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="stars")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "target"], name="star_once")]

    def __str__(self) -> str:
        return f"{self.person} stars {self.target}"
