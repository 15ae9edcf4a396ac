"""What the threads of many hosts want written: gathered, and written by one thread in one transaction.

So a thread that waits for a host holds no connection to the database, and thousands of hosts cost few statements.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from deployments import live, log, runs
from deployments.claims import ClaimLost
from deployments.log import NewChunk, Piece
from deployments.models import Deploy, HostRun, Program
from deployments.moves import Move, move_all
from deployments.runs import Note, Removed
from deployments.states import RunStatus

BATCH_SECONDS = 0.05
URGENT_SECONDS = 0.01  # a thread waits for the answer, and others will in a moment:
PROGRAM_SECONDS = 0.0005  # the more programs are under way, the longer their ends are gathered, up to BATCH_SECONDS
MOST_PENDING = 8 * 1024 * 1024  # characters
Answer = TypeVar("Answer")


@dataclass(eq=False)
class Wish:
    """Something to write for which a thread waits: how a program ended, a move, or any other act."""

    run: HostRun | None = None
    result: tuple[Program, str] | None = None
    move: Move | None = None
    act: Callable[[], Any] | None = None
    answer: Any = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


Entry = Piece | Wish | Note | Removed


class Recorder:
    """All that this process writes for one deploy's hosts: about every 50 ms, sooner when a thread waits for it."""

    def __init__(self, deploy_id: int) -> None:
        self.deploy_id = deploy_id
        self._pending: list[Entry] = []
        self._count = 0
        self._offsets: dict[int, int] = {}
        self._under_way: set[int] = set()  # programs
        self._waiting: Counter[int] = Counter()  # pieces by host run
        self._lost: set[tuple[int, int]] = set()  # host run and fence: this process may claim it anew
        self._error: Exception | None = None
        self._closed = self._urgent = False
        self._change = threading.Condition()  # for threads that wait for room
        self._work = threading.Condition(self._change)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._run, name=f"recorder-{deploy_id}", daemon=True)
        self._thread.start()

    def begin(self, program: Program, offset: int) -> None:
        with self._change:
            self._offsets[program.pk] = offset
            if not program.result:
                self._under_way.add(program.pk)

    def offset(self, run: HostRun, program: Program) -> int:
        """Up to which byte of its spool the program's log is stored, all that was added included. Raises ClaimLost."""
        self.flush(run)  # what was heard before a link broke, or it would be read and stored again
        with self._change:
            known = self._offsets.get(program.pk)
        if known is None:
            known = self.ask(lambda: log.stored_offset(program))
            self.begin(program, known)
        return known

    def add(self, piece: Piece) -> None:
        """Raises ClaimLost when another worker has taken the host run; waits while the store is far behind."""
        with self._change:
            self._check(piece.run)
            self._append(piece)
            self._count += piece.size
            self._waiting[piece.run.pk] += 1
            while self._count > MOST_PENDING and self._error is None:
                self._change.wait(1)

    def tell(self, entry: Note | Removed) -> None:
        """Written some time soon; a lost claim is no error here."""
        with self._change:
            self._append(entry)

    def flush(self, run: HostRun) -> None:
        """Wait until all that this host run has added is stored. Raises ClaimLost."""
        with self._change:
            waits = self._waiting[run.pk] > 0
        if waits:
            self._wait(Wish(run))
        with self._change:
            self._check(run)

    def finish(self, run: HostRun, program: Program, result: str) -> None:
        """Store how the program ended, after all that it has said. Raises ClaimLost."""
        self._wait(Wish(run, result=(program, result[:200])))
        program.result = result

    def move(self, run: HostRun, to: RunStatus, **fields: Any) -> None:
        """The last word about a host run in this phase: as `runs.move`, together with those of other hosts.

        Written after all that was added before, some time soon; a lost claim is no error here. Before the claim is
        let go, `drain`.
        """
        with self._change:
            self._check(run)
            self._append(Wish(run, move=Move(run, to, fields)))

    def drain(self) -> None:
        """Wait until all that was wanted so far is written."""
        self._wait(Wish())

    def ask(self, act: Callable[[], Answer]) -> Answer:
        """Any other work with the database, in the recorder's thread; its answer is returned, its error raised here."""
        answer: Answer = self._wait(Wish(act=act))
        return answer

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._work.notify()
        self._thread.join()

    def _append(self, entry: Entry) -> None:
        if not self._pending:
            self._work.notify()
        self._pending.append(entry)

    def _wait(self, wish: Wish) -> Any:
        with self._change:
            if self._error is not None:
                raise self._error
            self._append(wish)
            if not self._urgent:
                self._urgent = True
                self._work.notify()
        wish.done.wait()
        if wish.error is not None:
            raise wish.error
        return wish.answer

    def _check(self, run: HostRun) -> None:
        if self._error is not None:
            raise self._error
        if (run.pk, run.fence) in self._lost:
            raise _taken(run)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._store(batch)
                self._stored(batch)
        except Exception as error:  # noqa: BLE001
            # whoever adds or waits next gets it: a thread that dies alone would leave them waiting for ever
            self._fail(error)
        finally:
            connection.close()

    def _next_batch(self) -> list[Entry]:
        """What is pending; waits until there is something, empty when there never will be."""
        with self._change:
            self._work.wait_for(lambda: self._pending or self._closed)
            self._urgent = False
            return list(self._pending)

    def _stored(self, batch: list[Entry]) -> None:
        for entry in batch:
            if isinstance(entry, Wish):
                entry.done.set()
        with self._change:
            del self._pending[: len(batch)]
            for entry in batch:
                if isinstance(entry, Piece):
                    self._count -= entry.size
                    self._waiting[entry.run.pk] -= 1
                elif isinstance(entry, Wish) and entry.result:
                    self._under_way.discard(entry.result[0].pk)
            self._change.notify_all()
            # let a batch gather; not a poll: an empty recorder sleeps on its condition
            self._work.wait_for(lambda: self._urgent or self._closed, BATCH_SECONDS)
            more = 0.0 if self._closed else URGENT_SECONDS + PROGRAM_SECONDS * len(self._under_way)
        time.sleep(min(more, BATCH_SECONDS))

    def _fail(self, error: Exception) -> None:
        with self._change:
            self._error = error
            for entry in self._pending:
                if isinstance(entry, Wish) and not entry.done.is_set():
                    entry.error = error
                    entry.done.set()
            self._change.notify_all()

    def _store(self, batch: Sequence[Entry]) -> None:
        pieces = [entry for entry in batch if isinstance(entry, Piece)]
        wishes = [entry for entry in batch if isinstance(entry, Wish)]
        lost: set[tuple[int, int]] = set()
        chunks: list[NewChunk] = []
        with transaction.atomic():
            if pieces or any(wish.result for wish in wishes):
                lost, chunks = self._store_lines(pieces, wishes)
                _store_results(wishes, lost)
            moving = {wish.move.run.pk for wish in wishes if wish.move and "step" in wish.move.fields}
            runs.note_all([entry for entry in batch if isinstance(entry, Note) and entry.run.pk not in moving])
            runs.forget_releases([entry for entry in batch if isinstance(entry, Removed)])
            _move(wishes)
            _act(wishes)
        with self._change:
            self._lost |= lost
            self._offsets |= {chunk.program_id: chunk.end_offset for chunk in chunks}
        if chunks:
            live.announce(self.deploy_id, n=chunks[-1].last_n)

    def _store_lines(
        self, pieces: Sequence[Piece], wishes: Sequence[Wish]
    ) -> tuple[set[tuple[int, int]], list[NewChunk]]:
        """Whose claim no longer holds, and the chunks of those whose does."""
        deploy = Deploy.objects.select_for_update(no_key=True).only("lines").get(pk=self.deploy_id)
        speakers = {piece.run.pk: piece.run for piece in pieces}
        speakers |= {wish.run.pk: wish.run for wish in wishes if wish.run and wish.result}
        lost = runs.without_claim(list(speakers.values()))
        heard = [piece for piece in pieces if (piece.run.pk, piece.run.fence) not in lost]
        chunks = log.make_chunks(heard, self.deploy_id, deploy.lines, self._offsets)
        if chunks:
            log.insert(chunks)
            Deploy.objects.filter(pk=self.deploy_id).update(lines=chunks[-1].last_n)
        return lost, chunks


def _store_results(wishes: Sequence[Wish], lost: set[tuple[int, int]]) -> None:
    by_result: dict[str, list[int]] = {}
    for wish in wishes:
        if wish.run and wish.result:
            program, result = wish.result
            if (wish.run.pk, wish.run.fence) in lost:
                wish.error = _taken(wish.run)
            else:
                by_result.setdefault(result, []).append(program.pk)
    for result, ids in by_result.items():
        Program.objects.filter(pk__among=set(ids)).update(result=result, ended_at=timezone.now())


def _move(wishes: Sequence[Wish]) -> None:
    moves = [wish.move for wish in wishes if wish.move]
    refused = move_all(moves) if moves else set()
    for wish in wishes:
        if wish.move and wish.move.run.pk in refused:
            wish.error = _taken(wish.move.run)


def _act(wishes: Sequence[Wish]) -> None:
    for wish in wishes:
        if wish.act:
            try:
                with transaction.atomic():
                    wish.answer = wish.act()
            except Exception as error:  # noqa: BLE001 - it belongs to the thread that asked
                wish.error = error


def _taken(run: HostRun) -> ClaimLost:
    return ClaimLost(f"{run.host_name} in deploy {run.deploy_id} was taken by another worker.")
