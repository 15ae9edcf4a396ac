"""The Celery application. The broker is a doorbell; the truth is in the database."""

import os

from celery import Celery

# Celery reads this variable when it loads: without it a SIGTERM skips the soft shutdown (worker_soft_shutdown_timeout).
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deployer_site.settings")

app = Celery("deployer")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
