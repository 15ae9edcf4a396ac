"""Threads that send, in every worker: at most so many, one per channel, none of those that deploys run in."""

import logging
import threading

from django.db import DatabaseError, connection

from notifications import delivering, sending

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
MOST = 8

_lock = threading.Lock()
_busy: set[int] = set()


def look() -> None:
    """Send what nobody has rung for, straight on the database: the broker may be the very thing that is down."""
    for channel_id in delivering.due_channels():
        wake(channel_id)


def wake(channel_id: int) -> None:
    """Send what waits for this channel, in a thread; returns at once. A server that hangs keeps that thread alone."""
    with _lock:
        if channel_id in _busy or len(_busy) >= MOST:
            return  # what is left over is found by the next look
        _busy.add(channel_id)
    threading.Thread(target=_run, args=(channel_id,), name=f"courier_{channel_id}", daemon=True).start()


def _run(channel_id: int) -> None:
    try:
        sending.send_waiting(channel_id)
    except DatabaseError as error:
        log.warning("The database did not answer (%s); announcements wait for the next look.", error)
    except Exception:
        log.exception(
            "Announcements to channel %s ended in a way that nobody foresaw; they are tried again.", channel_id
        )
    finally:
        connection.close()
        with _lock:
            _busy.discard(channel_id)
