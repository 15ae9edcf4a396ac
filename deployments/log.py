"""The log of a deploy: rows in the database, numbered from 1, written in batches, read by number."""

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.utils import timezone

from deployments import live
from deployments.claims import ClaimLost
from deployments.models import Deploy, HostRun, LogChunk, Program
from deployments.models.logs import Stream

BATCH_SECONDS = 0.05
CHUNK_LINES = 1000
CHUNK_CHARACTERS = 256 * 1024
READ_CHUNKS = 20
READ_LINES = 5000  # a reader that is cut off has not made the server read much more than it got
MOST_PENDING = 8 * 1024 * 1024  # characters


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
        row = Deploy.objects.select_for_update().only("lines").get(pk=deploy.pk)
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


@dataclass
class Recorder:
    """Takes lines from many hosts' threads and stores them together, about every 50 ms."""

    deploy_id: int
    _pending: list[Piece] = field(default_factory=list)
    _count: int = 0
    _offsets: dict[int, int] = field(default_factory=dict)
    _lost: set[int] = field(default_factory=set)
    _error: Exception | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"log-{self.deploy_id}", daemon=True)
        self._thread.start()

    def begin(self, program: Program, offset: int) -> None:
        with self._change:
            self._offsets[program.pk] = offset

    def add(self, piece: Piece) -> None:
        """Raises ClaimLost when another worker has taken the host run; waits while the store is far behind."""
        with self._change:
            self._check(piece.run)
            self._pending.append(piece)
            self._count += piece.size
            self._change.notify_all()
            while self._count > MOST_PENDING and self._error is None:
                self._change.wait(1)

    def flush(self, run: HostRun) -> None:
        """Wait until all that this host run has added is stored. Raises ClaimLost."""
        with self._change:
            while any(piece.run.pk == run.pk for piece in self._pending) and self._error is None:
                self._change.wait(1)
            self._check(run)

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def _check(self, run: HostRun) -> None:
        if self._error is not None:
            raise self._error
        if run.pk in self._lost:
            raise ClaimLost(f"{run.host_name} in deploy {self.deploy_id} was taken by another worker.")

    def _run(self) -> None:
        try:
            while True:
                with self._change:
                    while not self._pending and not self._closed:
                        self._change.wait()
                    if not self._pending:
                        return
                    batch = list(self._pending)
                self._store(batch)
                with self._change:
                    del self._pending[: len(batch)]
                    self._count = sum(piece.size for piece in self._pending)
                    self._change.notify_all()
                    closed = self._closed
                if not closed:
                    time.sleep(
                        BATCH_SECONDS
                    )  # let a batch gather; not a poll: an empty recorder sleeps on its condition
        except Exception as error:  # noqa: BLE001
            # whoever adds or flushes next gets it: a thread that dies alone would leave them waiting for ever
            with self._change:
                self._error = error
                self._change.notify_all()
        finally:
            connection.close()

    def _store(self, batch: list[Piece]) -> None:
        with transaction.atomic():
            deploy = Deploy.objects.select_for_update().only("lines").get(pk=self.deploy_id)
            rows = HostRun.objects.filter(pk__in={piece.run.pk for piece in batch})
            holders = {pk: (by, fence) for pk, by, fence in rows.values_list("pk", "claimed_by", "fence")}
            lost = {p.run.pk for p in batch if holders.get(p.run.pk) != (p.run.claimed_by_id, p.run.fence)}
            chunks, n = self._chunks([piece for piece in batch if piece.run.pk not in lost], deploy.lines)
            LogChunk.objects.bulk_create(chunks)
            Deploy.objects.filter(pk=self.deploy_id).update(lines=n)
        self._lost |= lost
        for chunk in chunks:
            self._offsets[chunk.program_id or 0] = chunk.end_offset
        if chunks:
            live.announce(self.deploy_id, n=n)

    def _chunks(self, pieces: Sequence[Piece], n: int) -> tuple[list[LogChunk], int]:
        at = timezone.now()
        offsets = dict(self._offsets)
        chunks: list[LogChunk] = []
        for piece in _joined(pieces):
            chunk = LogChunk(
                deploy_id=self.deploy_id,
                program=piece.program,
                host_name=piece.run.host_name,
                stream=piece.stream,
                at=at,
                first_n=n + 1,
                last_n=n + len(piece.texts),
                text="\n".join(piece.texts),
                offset=offsets.get(piece.program.pk, 0),
                end_offset=piece.end,
            )
            offsets[piece.program.pk] = piece.end
            n = chunk.last_n
            chunks.append(chunk)
        return chunks, n


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
