"""The web process: pages over HTTP, logs and status over WebSockets."""

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings

from deployer_site.proxies import TrustedProxies
from deployer_site.request_threads import Handler, RequestThreads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")
django.setup(set_prefix=False)

# The models must be loaded before this.
from deployments.routing import websocket_urlpatterns  # noqa: E402

pages = RequestThreads(Handler())

application = TrustedProxies(
    ProtocolTypeRouter({"http": pages, "websocket": SessionMiddlewareStack(URLRouter(websocket_urlpatterns))}),
    trusted=settings.TRUSTED_PROXIES if settings.PROXY else (),
)
