"""Messages to workers. A broker that is down costs under a second and harms nothing: sweeps look too."""

import logging

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.7


def inbox_queue(worker: str) -> str:
    """The queue that the worker of this name alone reads."""
    return f"{settings.CELERY_TASK_DEFAULT_QUEUE}.{worker}"


def publish(task: str, args: list[object], *, to: str = "") -> bool:
    """Send one message, to any worker or `to` the one of this name.

    With a short limit of its own: the workers' connection may wait longer than a person does.
    """
    limits = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": PUBLISH_SECONDS,
        "socket_connect_timeout": PUBLISH_SECONDS,
    }
    try:
        with current_app.connection_for_write(transport_options=limits, connect_timeout=PUBLISH_SECONDS) as connection:
            queue = inbox_queue(to) if to else settings.CELERY_TASK_DEFAULT_QUEUE
            current_app.send_task(task, args=args, connection=connection, retry=False, queue=queue)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("The broker did not take %s%s (%s); a worker's sweep will see to it.", task, args, error)
        return False
    return True
