"""What a sweep finds undone though another worker lives that is to do it: that one gets a moment to begin.

Otherwise a sweep that comes right between two phases takes hosts away from the worker that is connected to them.
"""

import time
from collections.abc import Sequence

PATIENCE_SECONDS = 2.0  # less than from one sweep to the next

Work = tuple[int, str]  # a deploy, and what is to do for it


class Overdue:
    """Since when this worker's sweeps, one after the other, have seen what undone."""

    def __init__(self) -> None:
        self._before: dict[Work, dict[int, float]] = {}
        self._seen: dict[Work, dict[int, float]] = {}

    def begin_sweep(self) -> None:
        """What the last one did not see undone has been done meanwhile."""
        self._before, self._seen = self._seen, {}

    def of(self, work: Work, run_ids: Sequence[int]) -> list[int]:
        """Those of the host runs that have been undone for long enough."""
        now, before = time.monotonic(), self._before.get(work, {})
        self._seen[work] = since = {pk: before.get(pk, now) for pk in run_ids}
        return [pk for pk in run_ids if now - since[pk] >= PATIENCE_SECONDS]
