from django.db import models

from environments.validation import validate_name


class SecretStore(models.Model):
    """Where secrets lie that values refer to: a program, or a Vault. It has the credential, and none of the secrets."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    kind = models.CharField(max_length=20, validators=[validate_name])
    settings = models.JSONField(default=dict, blank=True, help_text="What the kind asks for, by name; all texts.")
    secret = models.TextField(blank=True, default="", editable=False, help_text="Its credential, sealed.")
    created_at = models.DateTimeField(auto_now_add=True)
    asked_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it was last asked.")
    trouble = models.TextField(blank=True, default="", editable=False, help_text="What went wrong then; or empty.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FetchedSecrets(models.Model):
    """What stores said when a release was first laid out, sealed: so that every host of it gets the same."""

    target = models.ForeignKey("environments.Target", on_delete=models.CASCADE, related_name="fetched_secrets")
    release = models.CharField(max_length=63, help_text="Its name.")
    sealed = models.TextField(help_text="JSON of values by the text of their reference, sealed.")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target", "release"], name="fetched_once_per_release")]

    def __str__(self) -> str:
        return f"what stores said for {self.release}"
