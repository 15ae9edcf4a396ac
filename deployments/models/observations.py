from django.db import models

from environments.models import Host


class Observation(models.Model):
    """What was seen in one folder of a host that is only looked at, when it was last asked."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="observations")
    root = models.CharField(max_length=500)
    at = models.DateTimeField()
    login = models.BooleanField(help_text="Whether it let us in and answered.")
    current = models.CharField(max_length=255, blank=True, default="", help_text="Where it leads, if anywhere.")
    revision = models.CharField(max_length=40, blank=True, default="")
    layout = models.CharField(max_length=150, blank=True, default="", help_text="ours, capistrano, other or nothing.")
    releases = models.PositiveIntegerField(default=0)
    facts = models.JSONField(default=dict, help_text="free_kb, folder, sudo, system, who, missing, as the probe said.")
    troubles = models.JSONField(default=list, help_text="Each `{kind, level, what, means, do}`.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "root"], name="observation_once")]

    def __str__(self) -> str:
        return f"{self.root} on {self.host}"
