"""When a step of a deploy runs."""

from django.db import models


class Phase(models.TextChoices):
    PREPARE = "prepare", "prepare (every host, before the switch)"
    ONCE = "once", "once before the switch (one host)"
    RESTART = "restart", "restart (after the switch)"
    AFTER = "after", "after the switch"
    STOP = "stop", "stop (when an endpoint is taken away)"
