from django.db import models

from deployments.models.deploys import Deploy
from environments.models import User


class Approval(models.Model):
    """What one person says of a deploy that waits for it. It is about exactly what was shown: its `subject`."""

    deploy = models.ForeignKey(Deploy, on_delete=models.CASCADE, related_name="approvals")
    subject = models.CharField(max_length=64, help_text="The digest of revision, configuration and steps.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=310, help_text="Kept when the person is gone.")
    approved = models.BooleanField()
    word = models.CharField(max_length=300, blank=True, default="", db_default="")
    at = models.DateTimeField()
    until = models.DateTimeField(help_text="From then on it counts no more.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["deploy", "by"], name="approval_once")]
        indexes = [models.Index(fields=["subject"], name="approval_by_subject")]

    def __str__(self) -> str:
        return f"{'approval' if self.approved else 'refusal'} of deploy {self.deploy_id}"
