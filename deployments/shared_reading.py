"""What many open pages read at the same time is read once: an answer that is new enough serves all who ask."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class SharedReading(Generic[Answer]):
    """The last answer of `read` in this process.

    Whoever asks says since when it must be true, on the monotonic clock: a reading serves if it began then or later.
    Someone who just comes asks for now, and so sees whatever was committed before; who was told by a word that
    something changed asks for the moment of that word, and shares what others have read since.
    """

    def __init__(self, read: Callable[[], Answer]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._last: tuple[float, Answer] | None = None

    def get(self, since: float | None = None) -> Answer:
        """Raises what `read` raises."""
        wanted = time.monotonic() if since is None else since
        with self._lock:
            if self._last is None or self._last[0] < wanted:
                began = time.monotonic()
                self._last = (began, self._read())
            return self._last[1]
