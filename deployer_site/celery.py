"""The Celery application. The broker is a doorbell; the truth is in the database."""

import os
from typing import Any

from celery import Celery

# Celery reads this variable when it loads: without it a SIGTERM skips the soft shutdown (worker_soft_shutdown_timeout).
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")

# A worker's blocking read lasts a second; who rings must know sooner that nobody hears.
RING_ONCE = {
    "socket_connect_timeout": 0.4,
    "socket_timeout": 0.4,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}


class Deployer(Celery):  # type: ignore[misc]  # the package carries no types
    def connection_for_write(self, *args: Any, **kwargs: Any) -> Any:
        """Publishing to a broken or hung broker fails within a second instead of holding up a page or a worker."""
        options = {**RING_ONCE, **(kwargs.pop("transport_options", None) or {})}
        return super().connection_for_write(*args, **kwargs, transport_options=options)


app = Deployer("deployer")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
