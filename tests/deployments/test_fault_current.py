"""`current` is never missing, whatever kills the one who swaps it; `make chaos` does it ten thousand times."""

import random
from pathlib import Path

from tests.chaos.swapping import swap_under_kills


def test_current_is_never_missing(tmp_path: Path) -> None:
    seen = swap_under_kills(tmp_path, random.Random(20), reads=50_000, swaps=60, kills=12)
    assert seen.misses == 0
