"""All routes. The pages of targets take any two words as their address, so they come last."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from deployer_site.health import healthz, readyz
from deployer_site.metrics_page import metrics
from deployments.api.api import urls as api

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/v1/", api),
    path("", include("environments.urls")),
    path("", include("deployments.urls")),
]
