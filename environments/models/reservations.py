from django.db import models
from django.db.models import F, Q

from environments.models.people import Team, User
from environments.models.places import Environment
from environments.models.targets import Target


class BookingEnd(models.TextChoices):
    """How a reservation ended."""

    CANCELLED = "cancelled", "cancelled"
    MISSED = "missed", "nobody showed up"
    KEPT = "kept", "held until its end"
    GIVEN_BACK = "given", "given back"
    TAKEN = "taken", "taken over"
    GONE = "gone", "its holder may no longer lock"
    OVER = "over", "somebody else held it all the time"


class Reservation(models.Model):
    """A lock for later. From `starts` on, by the database's clock, its holder is the first in line for the scope.

    One row for each time: a weekly reservation is as many rows as weeks, which share their `series`.
    """

    scope = models.CharField(max_length=200, help_text="`*`, `staging` or `shop/staging`.")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="+")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, null=True, related_name="+")
    holder = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="+")
    holder_name = models.CharField(max_length=310, help_text="Kept when the person or team is gone.")
    reason = models.CharField(max_length=300)
    starts = models.DateTimeField()
    ends = models.DateTimeField()
    zone = models.CharField(max_length=64, help_text="Where its clock hangs: a weekly one keeps the time of day there.")
    series = models.UUIDField(null=True, help_text="Shared by the times of a weekly one.")
    booked_at = models.DateTimeField()
    booked_by_name = models.CharField(max_length=310)
    warned_at = models.DateTimeField(null=True, help_text="When its holder, and whoever is in its way, heard of it.")
    began_at = models.DateTimeField(null=True, help_text="When it went first in line.")
    ended_at = models.DateTimeField(null=True)
    how = models.CharField(max_length=9, choices=BookingEnd.choices, blank=True, default="", db_default="")

    class Meta:
        ordering = ["starts", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends__gt=F("starts")), name="reservation_ends_after_it_starts")
        ]
        indexes = [
            models.Index(fields=["starts"], condition=Q(ended_at=None), name="reservation_by_start"),
            models.Index(fields=["environment", "starts"], name="reservation_by_place"),
            models.Index(fields=["series"], condition=Q(series__isnull=False), name="reservation_by_series"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} for {self.holder_name}"

    @property
    def place(self) -> str:
        return "everything" if self.scope == "*" else self.scope


class Calendar(models.Model):
    """One row: whoever books or moves changes it first, and so waits for whoever does so at that moment."""

    bookings = models.PositiveBigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"{self.bookings} bookings"
