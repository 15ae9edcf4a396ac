"""The web process: pages over HTTP, logs and status over WebSockets."""

import os
from importlib import import_module
from importlib.util import find_spec

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.core.asgi import get_asgi_application

from deployer_site.proxies import TrustedProxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")
# Loads the models; what follows may use them.
pages = get_asgi_application()

websocket_urlpatterns = []
if find_spec("deployments.routing"):
    websocket_urlpatterns = import_module("deployments.routing").websocket_urlpatterns

application = TrustedProxies(
    ProtocolTypeRouter({"http": pages, "websocket": SessionMiddlewareStack(URLRouter(websocket_urlpatterns))}),
    trusted=settings.TRUSTED_PROXIES if settings.PROXY else (),
)
