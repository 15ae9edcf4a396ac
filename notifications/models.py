from datetime import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


def moment() -> datetime:
    """Now, told no finer than SQLite tells it: what is due at once would else be due a millisecond later there."""
    now = timezone.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Event(models.Model):
    """One thing that happened: the audit row, the chat line's source, the metric's source.

    Names and ids are kept as plain facts, so that an event outlives what it tells of.
    """

    kind = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, blank=True, help_text="User name; empty for the Deployer itself.")
    application = models.CharField(max_length=64, blank=True)
    environment = models.CharField(max_length=64, blank=True)
    deploy = models.BigIntegerField(null=True, help_text="The deploy's id.")
    door = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="By which way it came; empty: from within."
    )
    address = models.CharField(
        max_length=45, blank=True, default="", db_default="", help_text="The network address that asked."
    )
    host = models.CharField(
        max_length=63, blank=True, default="", db_default="", help_text="The host that it is about, for its page."
    )
    facts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["application", "environment", "-id"], name="event_by_target"),
            models.Index(fields=["deploy", "id"], name="event_by_deploy"),
            models.Index(fields=["kind", "-id"], name="event_by_kind"),
            models.Index(fields=["actor", "-id"], name="event_by_actor"),
            models.Index(fields=["environment", "-id"], name="event_by_environment"),
            models.Index(fields=["at"], name="event_by_time"),
            models.Index(fields=["host", "-id"], condition=~models.Q(host=""), name="event_by_host"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Message(models.Model):
    """What an event says to one person, who is named as events name people."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="messages")
    to = models.CharField(max_length=150, help_text="User name.")

    class Meta:
        indexes = [models.Index(fields=["to", "-id"], name="message_by_person")]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.to}"


class Channel(models.Model):
    """Where announcements go: a room, an address, a web hook; and which of them."""

    name = models.SlugField(max_length=63, unique=True)
    kind = models.CharField(max_length=20)
    owner = models.CharField(max_length=150, help_text="User name of who is told when it stops.")
    settings = models.JSONField(default=dict, blank=True, help_text="What the kind asks for, by name; all texts.")
    secret = models.TextField(blank=True, default="", editable=False, help_text="Its credential, sealed.")
    applications = models.JSONField(default=list, blank=True, help_text="Names; empty: all.")
    environments = models.JSONField(default=list, blank=True, help_text="Names; empty: all.")
    kinds = models.JSONField(default=list, blank=True, help_text="Kinds of announcements; empty: all.")
    outcomes = models.JSONField(default=list, blank=True, help_text="Outcomes of deploys; empty: all.")
    templates = models.JSONField(default=dict, blank=True, help_text="Texts of its own, by announcement.")
    created_at = models.DateTimeField(auto_now_add=True)
    stopped = models.BooleanField(default=False, editable=False, help_text="Until a person has mended it.")
    trouble = models.TextField(blank=True, default="", editable=False, help_text="What went wrong last; or empty.")
    trouble_at = models.DateTimeField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it last took something.")
    claim = models.CharField(max_length=32, blank=True, default="", editable=False, help_text="Who sends now.")
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One announcement on its way to one channel."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        REFUSED = "refused", "Refused"
        GIVEN_UP = "given_up", "Given up"

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    word = models.CharField(max_length=40, help_text="Which announcement it is.")
    text = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    tries = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(default=moment, db_default=Now())
    next_try_at = models.DateTimeField(default=moment, db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="", help_text="Why the last try did not go through.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "channel"], name="announced_once_per_channel")]
        indexes = [
            models.Index(fields=["channel", "id"], condition=models.Q(state="waiting"), name="delivery_waiting"),
            models.Index(fields=["channel", "-id"], name="delivery_by_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.word} to {self.channel_id}"


class Posted(models.Model):
    """The message about a deploy that a channel keeps true by editing it, and beneath which details stand."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="posted")
    deploy = models.BigIntegerField(help_text="The deploy's id.")
    place = models.CharField(max_length=100, help_text="The room, as the other side calls it.")
    stamp = models.CharField(max_length=100, help_text="The message, as the other side calls it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "deploy"], name="posted_once_per_deploy")]

    def __str__(self) -> str:
        return f"{self.stamp} in {self.place}"
