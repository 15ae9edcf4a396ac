"""The log of a deploy: rows in the database, numbered from 1, written in batches, read by number."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from deployments import live
from deployments.models import Deploy, HostRun, LogChunk, Program, bulk
from deployments.models.logs import Stream

CHUNK_LINES = 1000
CHUNK_CHARACTERS = 256 * 1024
READ_CHUNKS = 20
READ_LINES = 5000  # a reader that is cut off has not made the server read much more than it got


@dataclass(frozen=True)
class Line:
    n: int
    host: str
    at: str
    stream: str
    text: str


@dataclass
class Piece:
    """Lines of one program that wait to be stored."""

    run: HostRun
    program: Program
    stream: str
    texts: list[str]
    end: int

    @property
    def size(self) -> int:
        return sum(map(len, self.texts)) + len(self.texts)


def say(deploy: Deploy, text: str, *, host: str = "") -> None:
    """Store the Deployer's own words at once. Call it inside the transaction of what they tell."""
    at = timezone.now()
    texts = text.splitlines() or [""]
    with transaction.atomic():
        row = Deploy.objects.select_for_update(no_key=True).only("lines").get(pk=deploy.pk)
        first = row.lines + 1
        LogChunk.objects.create(
            deploy=deploy,
            host_name=host,
            stream=Stream.DEPLOYER,
            first_n=first,
            last_n=row.lines + len(texts),
            at=at,
            text="\n".join(texts),
        )
        Deploy.objects.filter(pk=deploy.pk).update(lines=row.lines + len(texts))
        n = row.lines + len(texts)
        transaction.on_commit(lambda: live.announce(deploy.pk, n=n))


def stored_offset(program: Program) -> int:
    """Up to which byte of the program's spool the log is stored."""
    last = LogChunk.objects.filter(program=program).order_by("-offset").values_list("end_offset", flat=True).first()
    return last or 0


def read(
    deploy_id: int, start: int = 1, *, host: str = "", most: int = READ_CHUNKS, most_lines: int = READ_LINES
) -> list[Line]:
    """Stored lines from `n = start` on, at most so many chunks and lines; an empty list: there are no more yet."""
    chunks = LogChunk.objects.filter(deploy_id=deploy_id, last_n__gte=start).order_by("last_n")
    if host:
        chunks = chunks.filter(host_name=host)
    lines: list[Line] = []
    for chunk in chunks[:most]:
        at = chunk.at.isoformat(timespec="milliseconds")
        skipped = max(0, start - chunk.first_n)
        texts = chunk.text.split("\n")[skipped : skipped + most_lines - len(lines)]
        lines += [
            Line(n, chunk.host_name, at, chunk.stream, text) for n, text in enumerate(texts, chunk.first_n + skipped)
        ]
        if len(lines) >= most_lines:
            break
    return lines


def read_all(deploy_id: int, start: int = 1, *, host: str = "") -> Iterator[Line]:
    """Every stored line from `n = start` on, read piece by piece."""
    while lines := read(deploy_id, start, host=host):
        yield from lines
        start = lines[-1].n + 1


def digest(deploy_id: int) -> tuple[int, str]:
    """The number of lines, and the SHA-256 of their texts, each followed by a newline, in UTF-8."""
    sha = hashlib.sha256()
    count = 0
    chunks = LogChunk.objects.filter(deploy_id=deploy_id).order_by("first_n").values_list("text", "first_n", "last_n")
    for text, first, last in chunks.iterator(chunk_size=200):
        sha.update(text.encode() + b"\n")
        count += last - first + 1
    return count, sha.hexdigest()


class NewChunk(NamedTuple):
    """A row of LogChunk to be; the names are its columns."""

    deploy_id: int
    program_id: int
    host_name: str
    stream: str
    first_n: int
    last_n: int
    offset: int
    end_offset: int
    at: Any
    text: str


def make_chunks(pieces: Sequence[Piece], deploy_id: int, n: int, begins: Mapping[int, int]) -> list[NewChunk]:
    """Rows for `pieces`, numbered from `n + 1` on; `begins` is where each program's next chunk begins."""
    at = connection.ops.adapt_datetimefield_value(timezone.now())
    offsets = dict(begins)
    chunks: list[NewChunk] = []
    for piece in _joined(pieces):
        program_id, last = piece.program.pk, n + len(piece.texts)
        begin, offsets[program_id] = offsets.get(program_id, 0), piece.end
        place = (deploy_id, program_id, piece.run.host_name, piece.stream)
        chunks.append(NewChunk(*place, n + 1, last, begin, piece.end, at, "\n".join(piece.texts)))
        n = last
    return chunks


def insert(chunks: Sequence[NewChunk]) -> None:
    """Store them; thousands of hosts make so many rows that models would cost the most of all."""
    bulk.insert(LogChunk, NewChunk._fields, chunks)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours of one program and stream become one piece, up to a bound: few rows, none too large to read."""
    last: dict[int, Piece] = {}
    sizes: dict[int, int] = {}
    out: list[Piece] = []
    for piece in pieces:
        before = last.get(piece.program.pk)
        if before and before.stream == piece.stream and len(before.texts) + len(piece.texts) <= CHUNK_LINES:
            sizes[piece.program.pk] += piece.size
            if sizes[piece.program.pk] <= CHUNK_CHARACTERS:
                before.texts += piece.texts
                before.end = piece.end
                continue
        copy = Piece(piece.run, piece.program, piece.stream, list(piece.texts), piece.end)
        last[piece.program.pk], sizes[piece.program.pk] = copy, piece.size
        out.append(copy)
    return out
