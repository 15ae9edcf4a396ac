"""The threads that read logs keep their connections; a test database cannot be removed before they are closed."""

import threading
from concurrent.futures import wait

from asgiref.sync import SyncToAsync
from django.db import connections

from deployments.log_reading import READERS


def close_readers() -> None:
    """Each thread closes its own: the barrier keeps one from doing it for all."""
    count = READERS._max_workers
    barrier = threading.Barrier(count)

    def close() -> None:
        barrier.wait(60)
        connections.close_all()

    # and the one thread in which asynchronous tests run what is synchronous
    wait(
        [
            *(READERS.submit(close) for _ in range(count)),
            SyncToAsync.single_thread_executor.submit(connections.close_all),
        ]
    )
