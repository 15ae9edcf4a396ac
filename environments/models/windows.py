from django.db import models
from django.db.models import Q

from environments.models.locks import EVERYTHING
from environments.models.people import User
from environments.models.places import Environment
from environments.models.targets import Target


class Freeze(models.Model):
    """A time in which nothing new goes out, to everything, an environment or a target."""

    scope = models.CharField(max_length=200, help_text="`*`, `staging` or `shop/staging`.")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="+")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, null=True, related_name="+")
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=310, help_text="Kept when the person is gone.")
    lifted_at = models.DateTimeField(null=True, help_text="When somebody ended it early, or called it off.")
    lifted_by_name = models.CharField(max_length=310, blank=True, default="", db_default="")

    class Meta:
        ordering = ["starts", "id"]
        constraints = [models.CheckConstraint(condition=Q(ends__gt=models.F("starts")), name="freeze_ends_after_start")]
        indexes = [models.Index(fields=["ends"], condition=Q(lifted_at=None), name="freeze_by_end")]

    def __str__(self) -> str:
        return f"freeze of {self.scope}"

    @property
    def place(self) -> str:
        """What is frozen, as people say it."""
        return "everything" if self.scope == EVERYTHING else self.scope
