from django.db import models
from django.db.models import Q
from django.utils import timezone

from environments.models.people import Team, User
from environments.models.places import Environment
from environments.models.reservations import Reservation
from environments.models.targets import Target

EVERYTHING = "*"


class LockKind(models.TextChoices):
    LOCK = "lock"
    WARNING = "warning"


class LockEnd(models.TextChoices):
    """How a lock ended."""

    RELEASED = "released"
    EXPIRED = "expired"
    UNCONFIRMED = "unconfirmed", "nobody confirmed the hand-over"
    TAKEN = "taken", "taken over"


class Lock(models.Model):
    """A reservation of everything, an environment or a target, by a person or a team.

    It bars from `since` to `until`, or to `released_at` if that comes first. Which of them it is is asked of the
    database's clock, in the query that wants to know: nothing has to run for a lock to end in time.
    """

    scope = models.CharField(max_length=200, help_text="`*`, `staging` or `shop/staging`.")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="+")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=7, choices=LockKind.choices, default=LockKind.LOCK)
    holder = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, related_name="+")
    holder_name = models.CharField(max_length=310, help_text="Kept when the person or team is gone.")
    machines_only = models.BooleanField(
        default=False, db_default=False, help_text="Made by the Deployer after a failure: bars machines, not people."
    )
    reason = models.CharField(max_length=300)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="From then on it bars nobody; empty: until it is released.")
    offered = models.BooleanField(
        default=False, db_default=False, help_text="Handed to who waited, and not confirmed yet; `until` is the limit."
    )
    wanted_seconds = models.PositiveIntegerField(null=True, help_text="How long it is to last once it is confirmed.")
    reservation = models.ForeignKey(
        Reservation, on_delete=models.SET_NULL, null=True, related_name="locks", help_text="What was booked for it."
    )
    reminded_at = models.DateTimeField(null=True, help_text="When its holder was last reminded.")
    end_told = models.BooleanField(default=False, db_default=False, help_text="Reminded that it ends soon.")
    released_at = models.DateTimeField(null=True, help_text="When it ended; empty while it is held.")
    released_by_name = models.CharField(max_length=310, blank=True, default="", db_default="")
    how = models.CharField(max_length=11, choices=LockEnd.choices, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "machines_only"], condition=Q(released_at=None), name="one_lock_per_scope"
            ),
        ]
        indexes = [
            models.Index(fields=["until"], condition=Q(released_at=None), name="lock_by_end"),
            models.Index(fields=["released_at"], name="lock_by_release"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.scope}"

    @property
    def orphaned(self) -> bool:
        """Whoever held it is no longer there; it stays until an administrator clears it."""
        return self.holder_id is None and self.team_id is None and not self.machines_only

    @property
    def is_over(self) -> bool:
        """As far as the row that was read tells."""
        return self.released_at is not None or (self.until is not None and self.until <= timezone.now())

    @property
    def place(self) -> str:
        """What is locked, as people say it."""
        return "everything" if self.scope == EVERYTHING else self.scope


class LineEnd(models.TextChoices):
    """How a place in line ended."""

    OFFERED = "offered"
    LEFT = "left"
    GONE = "gone", "may no longer lock"
    OVER = "over", "the time that was booked is over"
    TOLD = "told", "told that it is free"


class LockRequest(models.Model):
    """A place in the waiting list of a scope, or (`tell_only`) the wish to hear when it is free."""

    scope = models.CharField(max_length=200)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="+")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, null=True, related_name="+")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    tell_only = models.BooleanField(default=False, db_default=False)
    wanted_seconds = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    reservation = models.ForeignKey(
        Reservation, on_delete=models.SET_NULL, null=True, related_name="+", help_text="It goes before those without."
    )
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    how = models.CharField(max_length=7, choices=LineEnd.choices, blank=True, default="", db_default="")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "person", "tell_only"], condition=Q(ended_at=None), name="one_place_in_line"
            )
        ]

    def __str__(self) -> str:
        return f"{self.person} waits for {self.scope}"


class Answer(models.TextChoices):
    """What a holder answers to who asked."""

    RELEASE = "release"
    EXTEND = "extend"
    NO = "no"


class LockQuestion(models.Model):
    """Somebody asks the holder for the lock."""

    lock = models.ForeignKey(Lock, on_delete=models.CASCADE, related_name="questions")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=310)
    text = models.CharField(max_length=300)
    asked_at = models.DateTimeField()
    answer = models.CharField(max_length=7, choices=Answer.choices, blank=True, default="", db_default="")
    answered_at = models.DateTimeField(null=True)
    answered_by_name = models.CharField(max_length=310, blank=True, default="", db_default="")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["lock", "by"], condition=Q(answered_at=None), name="one_open_question_of_each"
            )
        ]

    def __str__(self) -> str:
        return f"question {self.pk} about {self.lock}"


class SpentLink(models.Model):
    """A link of a message about a lock that was used: the constraint lets it be used once."""

    event = models.BigIntegerField(help_text="The event whose message had it.")
    act = models.CharField(max_length=7)
    spent_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "act"], name="a_link_is_used_once")]

    def __str__(self) -> str:
        return f"{self.act} of event {self.event}"
