"""The log of a deploy: rows in the database, numbered from 1, written in batches, read by number."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(eq=False)
class Piece:
    """Lines of one program that wait to be stored. `size` is in characters."""

    run: HostRun
    program: Program
    stream: str
    texts: list[str]
    end: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.texts)) + len(self.texts)


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
    ends: dict[int, int] = {}
    chunks: list[NewChunk] = []
    for joined in _joined(pieces):
        first, end = joined[0], joined[-1].end
        texts = first.texts if len(joined) == 1 else [text for piece in joined for text in piece.texts]
        program_id, last = first.program.id, n + len(texts)
        begin = ends[program_id] if program_id in ends else begins.get(program_id, 0)
        place = (deploy_id, program_id, first.run.host_name, first.stream)
        chunks.append(NewChunk(*place, n + 1, last, begin, end, at, "\n".join(texts)))
        n, ends[program_id] = last, end
    return chunks


def insert(chunks: Sequence[NewChunk]) -> None:
    """Store them; thousands of hosts make so many rows that models would cost the most of all."""
    bulk.insert(LogChunk, NewChunk._fields, chunks)


class _Joined:
    """Neighbours of one program and stream, that become one chunk."""

    def __init__(self, first: Piece) -> None:
        self.pieces = [first]
        self.lines, self.size = len(first.texts), first.size

    def takes(self, piece: Piece) -> bool:
        """Whether it was added: up to a bound, so that there are few rows, but none too large to read."""
        lines, size = self.lines + len(piece.texts), self.size + piece.size
        fits = lines <= CHUNK_LINES and size <= CHUNK_CHARACTERS and piece.stream == self.pieces[0].stream
        if fits:
            self.pieces.append(piece)
            self.lines, self.size = lines, size
        return fits


def _joined(pieces: Sequence[Piece]) -> list[list[Piece]]:
    last: dict[int, _Joined] = {}
    out: list[_Joined] = []
    for piece in pieces:
        before = last.get(piece.program.id)
        if before is None or not before.takes(piece):
            last[piece.program.id] = new = _Joined(piece)
            out.append(new)
    return [joined.pieces for joined in out]
