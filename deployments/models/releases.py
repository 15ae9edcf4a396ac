from django.db import models

from environments.models import Host, Target


class ReleaseKind(models.TextChoices):
    TREE = "tree", "tree (fetched by git)"
    ARCHIVE = "archive"
    CONTAINER = "container"
    COMMAND = "command"


class Release(models.Model):
    """One revision laid out on hosts, under the same name on each of them."""

    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="releases")
    name = models.CharField(max_length=63, help_text="UTC yyyymmddHHMMSS, a hyphen, and seven hex digits.")
    revision = models.CharField(max_length=40)
    ref = models.CharField(max_length=200)
    kind = models.CharField(max_length=9, choices=ReleaseKind.choices)
    configuration = models.JSONField(
        null=True,
        blank=True,
        help_text="Which it was made with: the newest change then, and where it lies; none of its values.",
    )
    configuration_digest = models.CharField(
        max_length=64, blank=True, default="", help_text="Equal for equal configuration; empty: there is none."
    )
    bad = models.BooleanField(
        default=False, help_text="Failed after it went live; never a silent choice for a rollback."
    )
    size = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Bytes of its files; 0: nobody has counted them."
    )
    imported = models.BooleanField(
        default=False, db_default=False, help_text="Laid out by another tool; never cleaned up by us."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target", "name"], name="release_once_per_target")]

    def __str__(self) -> str:
        return self.name


class Drift(models.TextChoices):
    """How what serves on a host differs from what is live on its target."""

    BEHIND = "behind", "runs another release of ours"
    OUTSIDE = "outside", "was switched from outside"
    NOTHING = "nothing", "runs nothing yet"
    BROKEN = "broken", "its current leads nowhere"


class Placement(models.Model):
    """A target on a host: its port, and what `current` is there; a colour lets two versions stand side by side."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="placements")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="placements")
    colour = models.CharField(max_length=16, blank=True, default="")
    port = models.PositiveIntegerField(null=True, blank=True)
    current = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    switched_at = models.DateTimeField(null=True, blank=True)
    seen = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="What `current` was when last asked."
    )
    seen_at = models.DateTimeField(null=True, blank=True)
    drift = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        choices=Drift.choices,
        help_text="How it differs from what is intended.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "target", "colour"], name="placement_once")]
        # few differ of very many
        indexes = [
            models.Index(fields=["target", "host"], condition=~models.Q(drift=""), name="placement_that_differs")
        ]

    def __str__(self) -> str:
        return f"{self.target} on {self.host}"


class HeldRelease(models.Model):
    """A release that lies, whole, on a host."""

    placement = models.ForeignKey(Placement, on_delete=models.CASCADE, related_name="held")
    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="held")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["placement", "release"], name="held_release_once")]

    def __str__(self) -> str:
        return f"{self.release} at {self.placement}"
