"""Which texts must never reach a log: what this installation and this application keep secret."""

from urllib.parse import urlsplit

from django.conf import settings

from deployments import release_configuration
from deployments.models import Deploy
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


def secrets_of_deploy(deploy: Deploy) -> frozenset[str]:
    """Those, and every secret of the configuration that this deploy's hosts may hold. Raises CannotOpen."""
    return secrets_of(deploy.target.application) | release_configuration.secrets_of(deploy)
