from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from environments.models.people import User
from environments.models.places import Environment
from environments.models.targets import Target
from environments.validation import validate_endpoint_address, validate_name

USUAL_ADDRESS = "http://{application}-{endpoint}.staging.example.com"


class EndpointOffer(models.Model):
    """That an environment has endpoints, and on what terms: any branch at an address of its own."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="endpoint_offer")
    address = models.CharField(
        max_length=200,
        validators=[validate_endpoint_address],
        help_text="{application} and {endpoint} stand for their names, {port} for the port.",
    )
    role = models.CharField(
        max_length=63,
        blank=True,
        default="",
        validators=[validate_name],
        help_text="Only hosts with this role serve endpoints; empty: those that serve the target.",
    )
    first_port = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1024), MaxValueValidator(65_535)],
        help_text="Each endpoint has a port of its own from here on; empty: they listen on sockets in their folders.",
    )
    last_port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1024), MaxValueValidator(65_535)]
    )
    most = models.PositiveSmallIntegerField(default=20, validators=[MinValueValidator(1), MaxValueValidator(500)])
    most_each = models.PositiveSmallIntegerField(
        default=5, validators=[MaxValueValidator(500)], help_text="Of one person at a time; 0: as many as there may be."
    )
    hours = models.PositiveSmallIntegerField(
        default=72,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 90)],
        help_text="How long one lives, and by how much it is extended.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(first_port__isnull=True, last_port__isnull=True) | Q(last_port__gte=F("first_port")),
                name="endpoint_ports_in_order",
            )
        ]

    def __str__(self) -> str:
        return f"endpoints of {self.environment}"


class Endpoint(models.Model):
    """What makes a target with a name an endpoint: its branch, address, port and end.

    The row stays when it is taken away, with its history; one that is made again under that name takes it up.
    """

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="endpoint")
    branch = models.CharField(max_length=200)
    address = models.CharField(max_length=400)
    port = models.PositiveIntegerField(null=True, blank=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="endpoints")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=310, help_text="Kept when the person is gone.")
    made_at = models.DateTimeField()
    until = models.DateTimeField(help_text="Then it is taken away.")
    reminded_at = models.DateTimeField(null=True, help_text="When it was told that it ends soon.")
    ending_at = models.DateTimeField(null=True, help_text="When it was last begun to take it away.")
    gone_at = models.DateTimeField(null=True, help_text="When nothing was left of it on hosts; empty: it is there.")

    class Meta:
        ordering = ["target"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "port"], condition=Q(gone_at=None), name="endpoint_port_once"
            ),
            models.UniqueConstraint(fields=["address"], condition=Q(gone_at=None), name="endpoint_address_once"),
        ]
        indexes = [models.Index(fields=["until"], condition=Q(gone_at=None), name="endpoint_by_end")]

    def __str__(self) -> str:
        return self.target.slug

    @property
    def is_there(self) -> bool:
        return self.gone_at is None
