"""Where words stand in a log: read piece by piece, so that it costs the same on every database and never long."""

import re
import time
from dataclasses import dataclass

from deployments.models import LogChunk

SECONDS = 1.0
MOST_HITS = 5000
LONGEST = 200  # characters that are looked for
PIECE_CHUNKS = 50
# What a terminal swallows: colours and other sequences, titles and links.
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z^_])")


@dataclass(frozen=True)
class Found:
    """Numbers of lines that hold the words, in order; read up to line `searched`, which is the last one if `done`."""

    hits: list[int]
    searched: int
    done: bool


def search(deploy_id: int, words: str, *, start: int = 1, host: str = "", seconds: float = SECONDS) -> Found:
    """Lines from `start` on whose visible text holds `words`, whatever their case; for about so many seconds."""
    until = time.monotonic() + seconds
    wanted = words.lower()
    hits: list[int] = []
    chunks = LogChunk.objects.filter(deploy_id=deploy_id).order_by("last_n")
    if host:
        chunks = chunks.filter(host_name=host)
    while True:
        piece = list(chunks.filter(last_n__gte=start).values_list("first_n", "last_n", "text")[:PIECE_CHUNKS])
        for first, last, text in piece:
            hits += [n for n in _hits(text, wanted, first) if n >= start]
            start = last + 1
            if len(hits) >= MOST_HITS:
                return Found(hits[:MOST_HITS], hits[MOST_HITS - 1], done=False)
        if len(piece) < PIECE_CHUNKS or time.monotonic() >= until:
            return Found(hits, start - 1, done=len(piece) < PIECE_CHUNKS)


def visible(text: str) -> str:
    """The text as a terminal shows it, apart from colours."""
    return _SEQUENCES.sub("", text) if "\x1b" in text else text


def _hits(text: str, wanted: str, first: int) -> list[int]:
    seen = visible(text).lower()
    if wanted not in seen:
        return []
    return [n for n, line in enumerate(seen.split("\n"), first) if wanted in line]
