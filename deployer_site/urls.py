"""All routes. The pages of targets take any two words as their address, so they come last."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from deployer_site.health import healthz, readyz

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
for module in ("environments.urls", "deployments.urls"):
    if find_spec(module):
        urlpatterns.append(path("", include(module)))
