"""What was refused at the door is told in the audit trail, but no more often than somebody could read."""

import logging
from datetime import timedelta

from django.utils import timezone

from environments.models import SignInProvider
from notifications import events
from notifications.models import Event

MOST_PER_MINUTE = 30
KIND = "signin.refused"
log = logging.getLogger(__name__)


def tell(provider: SignInProvider, reason: str) -> None:
    """Anybody may come to the door as often as they want: what is too much is in the log of the process alone."""
    minute = timezone.now() - timedelta(minutes=1)
    if Event.objects.filter(kind=KIND, at__gt=minute).count() >= MOST_PER_MINUTE:
        log.warning("Signing in by %s was refused: %s", provider.name, reason)
        return
    events.record(KIND, provider=provider.title, name=provider.name, reason=reason[:300])
