"""Housekeeping, by each worker when it starts and once a day. Nothing here is needed for a deploy to go on."""

import logging
import threading
import time

from celery.signals import worker_ready
from django.core.management import call_command
from django.db import DatabaseError, connection

log = logging.getLogger(__name__)

DAY_SECONDS = 24 * 3600.0


@worker_ready.connect
def begin(**_: object) -> None:
    # a thread: a process for this alone would cost as much memory as a worker
    threading.Thread(target=_every_day, name="housekeeping", daemon=True).start()


def _every_day() -> None:
    while True:
        clear_sessions()
        time.sleep(DAY_SECONDS)


def clear_sessions() -> None:
    """Remove sessions that are over; two workers at once do no harm."""
    try:
        call_command("clearsessions")
    except DatabaseError as error:
        log.warning("Old sessions were not removed (%s); tomorrow again.", error)
    finally:
        connection.close()
