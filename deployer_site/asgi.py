"""The web process: pages over HTTP, logs and status over WebSockets."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.core.asgi import get_asgi_application

from deployer_site.proxies import TrustedProxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")
# Loads the models, which the import below needs.
pages = get_asgi_application()

from deployments.routing import websocket_urlpatterns  # noqa: E402

application = TrustedProxies(
    ProtocolTypeRouter({"http": pages, "websocket": SessionMiddlewareStack(URLRouter(websocket_urlpatterns))}),
    trusted=settings.TRUSTED_PROXIES if settings.PROXY else (),
)
