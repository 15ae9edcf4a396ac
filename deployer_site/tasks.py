"""Housekeeping, by each worker when it starts and every hour. Nothing here is needed for a deploy to go on."""

import logging
import threading
import time

from celery.signals import worker_ready
from django.core.management import call_command
from django.db import DatabaseError, connection

from deployments import archive_retention
from notifications import delivering

log = logging.getLogger(__name__)

HOUR_SECONDS = 3600.0


@worker_ready.connect
def begin(**_: object) -> None:
    # a thread: a process for this alone would cost as much memory as a worker
    threading.Thread(target=_every_hour, name="housekeeping", daemon=True).start()


def _every_hour() -> None:
    while True:
        clear_sessions()
        prune_archives()
        prune_deliveries()
        time.sleep(HOUR_SECONDS)


def clear_sessions() -> None:
    """Remove sessions that are over; two workers at once do no harm."""
    try:
        call_command("clearsessions")
    except DatabaseError as error:
        log.warning("Old sessions were not removed (%s); in an hour again.", error)
    finally:
        connection.close()


def prune_archives() -> None:
    """Remove packed releases that nobody needs; workers that share a folder do not disturb each other."""
    try:
        archive_retention.prune()
    except (DatabaseError, OSError) as error:
        log.warning("Old archives were not removed (%s); in an hour again.", error)
    finally:
        connection.close()


def prune_deliveries() -> None:
    """Remove announcements that were sent a month ago; two workers at once do no harm."""
    try:
        while delivering.prune():
            pass
    except DatabaseError as error:
        log.warning("Old announcements were not removed (%s); in an hour again.", error)
    finally:
        connection.close()
