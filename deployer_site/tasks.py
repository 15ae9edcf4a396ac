"""Housekeeping on a schedule. Nothing here is needed for a deploy to go on."""

from celery import shared_task
from django.core.management import call_command


@shared_task
def clear_sessions() -> None:
    call_command("clearsessions")
