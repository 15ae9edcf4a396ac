from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from environments.models.places import Environment, Host, Zone
from environments.validation import validate_address, validate_name, validate_user


class HostSource(models.Model):
    """Where hosts of one environment come from: it is read again and again, and what it says becomes memberships."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    kind = models.CharField(max_length=20, validators=[validate_name])
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="sources")
    settings = models.JSONField(default=dict, blank=True, help_text="What the kind asks for, by name; all texts.")
    secret = models.TextField(blank=True, default="", editable=False, help_text="Kept sealed.")

    user = models.CharField(max_length=32, default="deploy", validators=[validate_user])
    via = models.CharField(max_length=300, blank=True, default="", help_text="The bastion of all, `user@host:port`.")
    zone = models.ForeignKey(Zone, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    share = models.PositiveSmallIntegerField(
        default=30,
        validators=[MaxValueValidator(100)],
        help_text="Percent of its hosts that may leave at once without a person's word.",
    )
    every_minutes = models.PositiveIntegerField(
        default=15, validators=[MaxValueValidator(10_080)], help_text="0: never by itself."
    )
    before_deploys = models.BooleanField(default=False)
    trusted = models.BooleanField(default=False, help_text="Host keys that it names are trusted.")
    created_at = models.DateTimeField(auto_now_add=True)

    version = models.PositiveIntegerField(default=1, editable=False, help_text="Rises with each change of the above.")
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)
    good_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When its list was last followed.")
    trouble = models.TextField(blank=True, default="", editable=False, help_text="Why the last list is kept.")
    trouble_since = models.DateTimeField(null=True, blank=True, editable=False)
    leaving = models.JSONField(default=list, blank=True, editable=False, help_text="Kept although left out.")

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["due_at"], name="source_by_due")]

    def __str__(self) -> str:
        return self.name


class GivenHost(models.Model):
    """A host that a source names; `key` is the source's own word for it."""

    source = models.ForeignKey(HostSource, on_delete=models.CASCADE, related_name="given")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="given_by")
    key = models.CharField(max_length=253)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "host"], name="given_once"),
            models.UniqueConstraint(fields=["source", "key"], name="given_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.host} by {self.source}"


class Heartbeat(models.Model):
    """One machine that may say of itself that it is there, and what it said last. Where it is, a person has said."""

    source = models.ForeignKey(HostSource, on_delete=models.CASCADE, related_name="heartbeats")
    name = models.CharField(max_length=63, validators=[validate_name], help_text="The source's word for it.")
    address = models.CharField(max_length=253, validators=[validate_address])
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    user = models.CharField(max_length=32, blank=True, default="", validators=[validate_user])
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="Of its token, kept as a hash.")
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    heard_at = models.DateTimeField(null=True, blank=True, editable=False)
    labels = models.JSONField(default=dict, blank=True, editable=False)
    current = models.JSONField(default=dict, blank=True, editable=False, help_text="What it says it runs, by target.")
    host_keys = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["source", "name"], name="heartbeat_once"),
            models.UniqueConstraint(fields=["source", "address", "port"], name="heartbeat_of_place_once"),
        ]

    def __str__(self) -> str:
        return f"heartbeat of {self.name} for {self.source}"
