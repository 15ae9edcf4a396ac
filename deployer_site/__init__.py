"""Wiring only: settings, routes, processes. Loading this package makes the Celery application known to tasks."""

from deployer_site.celery import app as celery_app

__all__ = ["celery_app"]
