from django.db import models


class Worker(models.Model):
    """A worker process. It renews this one row; everything that it has claimed lapses with it."""

    name = models.CharField(max_length=200)
    queue = models.CharField(max_length=63, blank=True, default="")
    boot = models.CharField(max_length=64, help_text="What `renewed_at` counts from: a boot id, or 'database'.")
    renewed_at = models.FloatField(help_text="Seconds on the claims' clock.")
    heard_at = models.FloatField(
        default=0.0, db_default=0.0, help_text="When it last heard its own ring, on the same clock; 0: it rings not."
    )
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["renewed_at"], name="worker_by_renewal")]

    def __str__(self) -> str:
        return self.name

    @property
    def inbox(self) -> str:
        """Its Celery name, as in worker-1@deployer.example; "": no message reaches it alone."""
        name = self.name.rpartition(":")[0]
        return name if "@" in name else ""
