"""Doors for messages: an id in, one call out."""

from celery import shared_task

from notifications import courier


@shared_task
def deliver(channel_id: int) -> None:
    courier.wake(channel_id)
