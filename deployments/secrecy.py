"""Which texts must never reach a log: what this installation and this application keep secret."""

from urllib.parse import urlsplit

from django.conf import settings

from environments.keys import active_key_pair, private_text
from environments.models import Application
from environments.sealed import unseal


def secrets_of(application: Application) -> frozenset[str]:
    """Raises CannotOpen."""
    pair = active_key_pair()
    known = {
        settings.SECRET_KEY,
        *settings.ENCRYPTION_KEYS,
        unseal(application.https_token),
        unseal(application.deploy_key),
        unseal(application.artifact_token),
        private_text(pair) if pair else "",
        urlsplit(settings.REDIS_URL).password or "",
        str(settings.DATABASES["default"].get("PASSWORD") or ""),
    }
    return frozenset(filter(None, known))
