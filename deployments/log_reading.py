"""The stored log for asynchronous doors: read in threads of its own, piece by piece."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from channels.db import database_sync_to_async

from deployments import log, log_windows
from deployments.log import Line

PIECE_CHUNKS = 8
# Few threads: a crowd of readers must leave the database to those who write.
READERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="log-reader")


async def read_piece(deploy_id: int, start: int, host: str = "") -> list[Line]:
    """Some stored lines from `n = start` on; empty when there are no more yet."""
    read = database_sync_to_async(log.read, thread_sensitive=False, executor=READERS)
    lines: list[Line] = await read(deploy_id, start, host=host, most=PIECE_CHUNKS)
    return lines


async def read_total(deploy_id: int) -> int:
    """How many lines are stored."""
    count = database_sync_to_async(log_windows.count_lines, thread_sensitive=False, executor=READERS)
    total: int = await count(deploy_id)
    return total


async def pieces(
    deploy_id: int, *, start: int = 1, until: int | None = None, host: str = ""
) -> AsyncIterator[list[Line]]:
    """Every line that is stored now, from `n = start` on, up to `until` and with it; without following."""
    while lines := await read_piece(deploy_id, start, host):
        if until is not None and lines[-1].n >= until:
            if rest := [line for line in lines if line.n <= until]:
                yield rest
            return
        yield lines
        start = lines[-1].n + 1
