from django.db import models

from deployments.models.deploys import Deploy
from environments.models import Application, HookSource, Target


class Word(models.TextChoices):
    """What became of a delivery, or of it on one target. From the one that matters most."""

    DEPLOYED = "deployed", "deployed"
    HELD = "held", "held by lock"
    QUEUED = "queued", "waits for its turn"
    FAILED = "failed", "could not be worked on"
    REFUSED = "refused", "refused"
    CHECKS = "checks", "waits for checks"
    OLDER = "older", "older than live"
    SKIPPED = "skipped", "skipped by rule"
    DUPLICATE = "duplicate", "duplicate"
    NOTED = "noted", "noted"
    UNSIGNED = "unsigned", "not signed"


class HookDelivery(models.Model):
    """One incoming hook as it came, and what became of it."""

    source = models.ForeignKey(HookSource, on_delete=models.CASCADE, related_name="deliveries")
    received_at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True, default="")
    event = models.CharField(max_length=100, blank=True, default="", help_text="As the sender calls it.")
    name = models.CharField(max_length=100, blank=True, default="", help_text="The sender's own id of it.")
    headers = models.JSONField(default=dict, help_text="Those that say something, and open nothing.")
    body = models.BinaryField(default=bytes, help_text="As it came, packed by zlib; none of what is not signed.")
    size = models.PositiveIntegerField(default=0, help_text="Bytes, unpacked.")
    digest = models.CharField(
        max_length=64, null=True, blank=True, help_text="SHA-256 of the body of what is worked on; else nothing."
    )
    times = models.PositiveIntegerField(default=1, help_text="How often the like of it came within a minute.")
    of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="again", help_text="What it repeats."
    )
    replayed_by = models.CharField(max_length=310, blank=True, default="", help_text="Who wanted it again.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="From when on it is to be worked on; null: it was.")
    attempts = models.PositiveSmallIntegerField(default=0)
    decision = models.CharField(max_length=9, choices=Word.choices, blank=True, default="")
    told = models.TextField(blank=True, default="", help_text="What became of it, in a sentence or two.")
    ref = models.CharField(max_length=200, blank=True, default="")
    revision = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="hook_worked_on_once")]
        indexes = [
            models.Index(fields=["source", "-received_at"], name="hook_by_source"),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="hook_to_work_on"),
            models.Index(fields=["received_at"], name="hook_by_time"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} from {self.source_id}"


class HookDecision(models.Model):
    """What a delivery led to on one target."""

    delivery = models.ForeignKey(HookDelivery, on_delete=models.CASCADE, related_name="decisions")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="+")
    word = models.CharField(max_length=9, choices=Word.choices)
    told = models.TextField()
    deploy = models.ForeignKey(Deploy, on_delete=models.SET_NULL, null=True, blank=True, related_name="hook_decisions")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["delivery", "target"], name="hook_decided_once")]

    def __str__(self) -> str:
        return f"{self.word} on target {self.target_id}"


class CheckState(models.TextChoices):
    GREEN = "green", "green"
    PENDING = "pending", "still runs"
    RED = "red", "red"


class Check(models.Model):
    """What a check said last of one commit."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="+")
    revision = models.CharField(max_length=40)
    kind = models.CharField(max_length=20, help_text="What reports it so, as `workflow_run`.")
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=7, choices=CheckState.choices)
    url = models.CharField(max_length=500, blank=True, default="")
    at = models.DateTimeField(help_text="When it was so, by the clock of who says it.")
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "revision", "kind", "name"], name="check_once_per_commit")
        ]
        indexes = [models.Index(fields=["heard_at"], name="check_by_time")]

    def __str__(self) -> str:
        return f"{self.name} of {self.revision[:7]}: {self.state}"
