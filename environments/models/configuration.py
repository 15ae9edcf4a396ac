from django.db import models

from environments.models.applications import Application
from environments.models.people import User
from environments.models.places import Environment, Host, Region, Zone
from environments.models.targets import Target
from environments.secret_stores.references import Reference


class Layer(models.TextChoices):
    """Where a value is set. Later layers win over earlier ones."""

    APPLICATION = "application"
    ENVIRONMENT = "environment"
    TARGET = "target"
    REGION = "region"
    ZONE = "zone"
    HOST = "host"


class ValueKind(models.TextChoices):
    TEXT = "text"
    SECRET = "secret"
    OUTSIDE = "outside", "outside (a secret that lies elsewhere)"
    REMOVED = "removed"


def _only(layer: str) -> models.Q:
    """Exactly the column of this layer is filled."""
    return models.Q(layer=layer, **{f"{other}__isnull": other != layer for other in Layer.values})


def _one_of_a_layer() -> models.Q:
    found = _only(Layer.values[0])
    for layer in Layer.values[1:]:
        found |= _only(layer)
    return found


class ConfigurationValue(models.Model):
    """What a name is in one layer from one moment on. Rows are added, never changed, so that each can be gone back to.

    Of the rows of one name in one place, `latest` marks the one that holds now. Ids rise in the order in which
    changes were committed, so that an id is also a point in time of the whole configuration.
    """

    layer = models.CharField(max_length=11, choices=Layer.choices)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, null=True, related_name="configuration")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, related_name="configuration")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, null=True, related_name="configuration")
    region = models.ForeignKey(Region, on_delete=models.CASCADE, null=True, related_name="configuration")
    zone = models.ForeignKey(Zone, on_delete=models.CASCADE, null=True, related_name="configuration")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, null=True, related_name="configuration")

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=7, choices=ValueKind.choices)
    text = models.TextField(blank=True, default="", help_text="As it is; of a secret, sealed; of one elsewhere, where.")
    content = models.PositiveBigIntegerField(
        default=0,
        help_text="The id of the first row of this name here that says the same: equal numbers, equal content.",
    )
    seen_version = models.PositiveIntegerField(
        null=True, editable=False, help_text="Of a secret that lies elsewhere: the newest version that was heard of."
    )
    latest = models.BooleanField(default=True)
    undoes = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=310, help_text="Kept when the person is gone.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=_one_of_a_layer(), name="configuration_in_one_layer"),
            *(
                models.UniqueConstraint(
                    fields=[layer, "name"],
                    condition=models.Q(latest=True, **{f"{layer}__isnull": False}),
                    name=f"configuration_once_per_{layer}",
                )
                for layer in Layer.values
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.layer} {self.of}"

    @property
    def of(self) -> models.Model:
        """What it belongs to."""
        found: models.Model = getattr(self, self.layer)
        return found

    @property
    def of_id(self) -> int:
        found: int = getattr(self, f"{self.layer}_id")
        return found

    @property
    def is_secret(self) -> bool:
        return self.kind in (ValueKind.SECRET, ValueKind.OUTSIDE)

    @property
    def reference(self) -> Reference | None:
        """Where the secret lies, if not here."""
        return Reference.read(self.text) if self.kind == ValueKind.OUTSIDE else None

    @property
    def is_removed(self) -> bool:
        return self.kind == ValueKind.REMOVED
