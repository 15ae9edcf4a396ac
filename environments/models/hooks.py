from django.db import models

from environments.models.applications import Application
from environments.models.people import User
from environments.models.targets import Target
from environments.validation import validate_name


class HookSource(models.Model):
    """Who may tell us of an application's commits and builds: a git host, or a build server."""

    key = models.CharField(max_length=24, unique=True, editable=False, help_text="Its part of the address; random.")
    kind = models.CharField(max_length=20, validators=[validate_name])
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="hook_sources")
    settings = models.JSONField(default=dict, blank=True, help_text="What the kind asks for, by name; all texts.")
    secret = models.TextField(editable=False, help_text="What it signs with, sealed.")
    account = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", help_text="With whose permissions it deploys: its own."
    )
    made_by = models.CharField(max_length=150, blank=True, default="", db_default="", editable=False)
    made_at = models.DateTimeField(auto_now_add=True)
    heard_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Its last signed delivery.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.application}"


class Asked(models.TextChoices):
    """Which checks must be green on exactly the commit."""

    ALL = "all", "all that have reported, at least one"
    NAMED = "named", "these"
    NONE = "none", "none"


def usual_skip_words() -> list[str]:
    return ["[skip deploy]", "[no deploy]"]


class Policy(models.Model):
    """Which commits a machine may deploy to a target by itself. A target without one waits for people."""

    target = models.OneToOneField(Target, on_delete=models.CASCADE, related_name="policy")
    automatic = models.BooleanField(default=False, help_text="Whether any does.")
    refs = models.JSONField(default=list, blank=True, help_text="Branches and tags, as globs; empty: all.")
    checks = models.CharField(max_length=5, choices=Asked.choices, default=Asked.ALL)
    names = models.JSONField(default=list, blank=True, help_text="Of the checks that are asked for by name.")
    contains_live = models.BooleanField(default=False, help_text="It must contain what is live.")
    contains_main = models.BooleanField(default=False, help_text="It must contain the newest of the main branch.")
    skip_words = models.JSONField(default=usual_skip_words, blank=True, help_text="In a commit's message.")
    paths = models.JSONField(default=list, blank=True, help_text="Only commits that change these, as globs.")

    def __str__(self) -> str:
        return f"policy of {self.target}"
