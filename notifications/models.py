from django.db import models


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
