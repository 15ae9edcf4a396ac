from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from environments.validation import (
    validate_address,
    validate_line,
    validate_name,
    validate_names,
    validate_patterns,
    validate_user,
)


class Region(models.Model):
    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    queue = models.CharField(
        max_length=63,
        blank=True,
        default="",
        db_default="",
        validators=[validate_name],
        help_text="The queue of workers near these hosts; empty: any worker.",
    )
    gateway = models.ForeignKey(
        "Host",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The jump host by which hosts of this region are reached.",
    )
    gateway_user = models.CharField(max_length=32, default="deploy", db_default="deploy", validators=[validate_user])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Zone(models.Model):
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="zones")
    name = models.CharField(max_length=63, validators=[validate_name])

    class Meta:
        ordering = ["region__name", "name"]
        constraints = [models.UniqueConstraint(fields=["region", "name"], name="zone_once_per_region")]

    def __str__(self) -> str:
        return f"{self.region}/{self.name}"


class Outside(models.TextChoices):
    """What becomes of an automatic deploy that comes outside of the windows, or into a freeze."""

    WAIT = "wait", "it waits, and the newest one goes"
    DROP = "drop", "it is refused"


class Environment(models.Model):
    """A named place such as staging or production; `position` orders them from first to last."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    position = models.PositiveSmallIntegerField(default=0)
    protected = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Only those may deploy here who were given a role for it, not everyone who is signed in.",
    )
    windows = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        editable=False,
        help_text='When deploys may go out: [{"days": [1], "from": "09:00", "to": "17:00", "zone": "UTC"}].',
    )
    outside = models.CharField(
        max_length=4, choices=Outside.choices, default=Outside.WAIT, db_default=Outside.WAIT, editable=False
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_production(self) -> bool:
        """Whether it is heard when something ships there: it is protected, or called so."""
        return self.protected or self.name == "production"


class Transport(models.TextChoices):
    SSH = "ssh", "SSH"
    PULL = "pull", "pull (an agent asks)"


class Aside(models.TextChoices):
    """Why a host takes no part in deploys: taken out on purpose, or because something is wrong with it."""

    DRAINED = "drained"
    QUARANTINED = "quarantined"


class Host(models.Model):
    """A machine. Unique by name, not by address: machines are replaced, names stay."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    address = models.CharField(max_length=253, validators=[validate_address])
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, null=True, blank=True, related_name="hosts")
    transport = models.CharField(max_length=4, choices=Transport.choices, default=Transport.SSH)
    user = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        validators=[validate_user],
        help_text="Whom one signs in as here, as it was said when the host was added: proposed to new targets.",
    )

    found_by = models.CharField(
        max_length=63,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The source that made it, and may forget it; empty: a person did.",
    )
    aside = models.CharField(
        max_length=11,
        blank=True,
        default="",
        db_default="",
        choices=Aside.choices,
        editable=False,
        help_text="Left out of deploys; empty: takes part.",
    )
    aside_why = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    aside_by = models.CharField(max_length=310, blank=True, default="", db_default="", editable=False)
    aside_at = models.DateTimeField(null=True, blank=True, editable=False)

    observed = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Only looked at: nothing is ever written there, until somebody lets deploys go to it.",
    )
    observed_root = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The folder whose `current` serves, where no target says it.",
    )

    note = models.CharField(max_length=1000, blank=True, default="", db_default="", editable=False)
    note_by = models.CharField(max_length=310, blank=True, default="", db_default="", editable=False)
    note_at = models.DateTimeField(null=True, blank=True, editable=False)

    asked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was last asked what it runs."
    )
    heard_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it last said so.")

    accepted_keys: "list[HostKey]"  # those of `keys`, where whoever read the host has read them along

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HostKey(models.Model):
    """A host key that a person has accepted. A host without one is never spoken to."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="keys")
    algorithm = models.CharField(max_length=64, help_text="As in known_hosts, e.g. ssh-ed25519.")
    key = models.TextField(help_text="The public key, base64.")
    accepted_by = models.CharField(max_length=150)
    accepted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "key"], name="host_key_once")]

    def __str__(self) -> str:
        return f"{self.host} {self.algorithm}"


class HostAuthority(models.Model):
    """An authority whose signature under a host's key makes that trusted, for the hosts that its patterns mean."""

    patterns = models.CharField(
        max_length=1000, validators=[validate_patterns], help_text="As in known_hosts, with commas between them."
    )
    algorithm = models.CharField(max_length=64)
    key = models.TextField(help_text="Its public key, base64.")
    accepted_by = models.CharField(max_length=150)
    accepted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["key", "patterns"], name="host_authority_once")]

    def __str__(self) -> str:
        return f"authority for {self.patterns}"


class Membership(models.Model):
    """A host's place in one environment, with what it does there and which source said so."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="memberships")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="memberships")
    roles = models.JSONField(default=list, blank=True, validators=[validate_names])
    labels = models.JSONField(default=dict, blank=True)
    source = models.CharField(max_length=63, default="static")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "host"], name="host_once_per_environment")]

    def __str__(self) -> str:
        return f"{self.host} in {self.environment}"


class KeyPair(models.Model):
    """A key pair with which the Deployer signs in to hosts; the private part is sealed."""

    public = models.TextField(help_text="One line as in authorized_keys.")
    private = models.TextField(editable=False)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=models.Q(active=True), name="one_active_key_pair")
        ]

    def __str__(self) -> str:
        return f"key pair {self.pk}"


class Signer(models.Model):
    """The command that signs our key, and the certificate that it gave last. There is one, or none."""

    command = models.CharField(max_length=1000, validators=[validate_line])
    principal = models.CharField(max_length=32, validators=[validate_user])
    minutes = models.PositiveIntegerField(help_text="For how long a certificate is wanted.")
    version = models.PositiveIntegerField(default=1, editable=False, help_text="Rises with each change of the above.")
    certificate = models.TextField(blank=True, default="", editable=False)
    key_pair = models.ForeignKey(KeyPair, on_delete=models.SET_NULL, null=True, editable=False, related_name="+")
    begins_at = models.DateTimeField(null=True, editable=False)
    ends_at = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False, help_text="When it is asked next.")
    trouble = models.TextField(blank=True, default="", editable=False, help_text="Why the last certificate is kept.")
    trouble_since = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.command
