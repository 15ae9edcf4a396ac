"""What the threads of many hosts want written: gathered, and written by one thread in one transaction.

So a thread that waits for a host holds no connection to the database, and thousands of hosts cost few statements.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection

from deployments import log, wishes
from deployments.log import Piece
from deployments.models import HostRun, Program
from deployments.moves import Move
from deployments.runs import Note, Removed
from deployments.states import RunStatus
from deployments.wishes import Claim, Entry, Wish

BATCH_SECONDS = 0.05
URGENT_SECONDS = 0.01  # a thread waits for the answer, and others will in a moment:
PROGRAM_SECONDS = 0.0005  # the more programs are under way, the longer their ends are gathered,
GATHER_MOST = 0.15  # up to this: what a transaction costs is shared by all that it writes
MOST_PENDING = 8 * 1024 * 1024  # characters
Answer = TypeVar("Answer")


class Recorder:
    """All that this process writes for one deploy's hosts: about every 50 ms, sooner when a thread waits for it."""

    def __init__(self, deploy_id: int) -> None:
        self.deploy_id = deploy_id
        self._pending: list[Entry] = []
        self._storing: list[Entry] = []
        self._count = 0  # characters of both
        self._batches = 0  # that are stored
        self._said_in: dict[int, int] = {}  # by host run: the batch in which its last piece is
        self._offsets: dict[int, int] = {}
        self._under_way: set[int] = set()  # programs
        self._lost: set[Claim] = set()
        self._error: Exception | None = None
        self._closed = self._urgent = False
        lock = threading.Lock()
        self._change = threading.Condition(lock)  # for threads that wait for room
        self._work = threading.Condition(lock)
        self._thread = threading.Thread(target=self._run, name=f"recorder-{deploy_id}", daemon=True)
        self._thread.start()

    def begin(self, program: Program, offset: int) -> None:
        self.begin_all([program], {program.id: offset})

    def begin_all(self, programs: Sequence[Program], offsets: Mapping[int, int]) -> None:
        """`offsets`: up to which byte of its spool the log of each is stored; else nothing is."""
        with self._change:
            for program in programs:
                self._offsets[program.id] = offsets.get(program.id, 0)
                if not program.result:
                    self._under_way.add(program.id)

    def offset(self, run: HostRun, program: Program) -> int:
        """Up to which byte of its spool the program's log is stored, all that was added included. Raises ClaimLost."""
        self.flush(run)  # what was heard before a link broke, or it would be read and stored again
        known = self._offsets.get(program.id)
        if known is None:
            known = self.ask(lambda: log.stored_offset(program))
            self.begin(program, known)
        return known

    def add(self, piece: Piece) -> None:
        self.tell(piece.run, [piece])

    def tell(self, run: HostRun, entries: Sequence[Piece | Note | Removed]) -> None:
        """Written some time soon. Raises ClaimLost when another worker has taken the host run.

        Waits while the store is far behind.
        """
        with self._change:
            self._check(run)
            self._say(run, entries)
            while self._count > MOST_PENDING and self._error is None:
                self._change.wait(1)

    def flush(self, run: HostRun) -> None:
        """Wait until all that this host run has added is stored. Raises ClaimLost."""
        with self._change:
            waits = self._said_in.get(run.id, 0) > self._batches
            if not waits:
                return self._check(run)
        self._wait(Wish(run))
        with self._change:
            self._check(run)

    def finish(
        self,
        run: HostRun,
        program: Program,
        result: str,
        last: Sequence[Piece | Note | Removed] = (),
        move: Move | None = None,
    ) -> None:
        """Store how the program ended, after all that it has said, and where the host run stands now. Raises ClaimLost.

        `last` is what was not told yet, `move` what to make of it; all of that is written together, or nothing.
        """
        self._wait(Wish(run, result=(program, result[:200]), move=move), run, last)
        program.result = result

    def move(self, run: HostRun, to: RunStatus, **fields: Any) -> None:
        """The last word about a host run in this phase: as `runs.move`, together with those of other hosts.

        Written after all that was added before, some time soon; a lost claim is no error here. Before the claim is
        let go, `drain`.
        """
        with self._change:
            self._check(run)
            self._append([Wish(run, move=Move(run, to, fields))])

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

    def _say(self, run: HostRun, entries: Sequence[Piece | Note | Removed]) -> None:
        self._append(entries)
        for entry in entries:
            if isinstance(entry, Piece):
                self._count += entry.size
                # what is pending now goes into the batch after the one that is being stored
                self._said_in[run.id] = self._batches + (2 if self._storing else 1)

    def _append(self, entries: Sequence[Entry]) -> None:
        if not self._pending:
            self._work.notify()
        self._pending += entries

    def _wait(self, wish: Wish, run: HostRun | None = None, last: Sequence[Piece | Note | Removed] = ()) -> Any:
        wish.awaited()
        with self._change:
            if self._error is not None:
                raise self._error
            if run is not None:
                self._say(run, last)
            self._append([wish])
            if not self._urgent:
                self._urgent = True
                self._work.notify()
        return wish.wait()

    def _check(self, run: HostRun) -> None:
        if self._error is not None:
            raise self._error
        if self._lost and (run.id, run.fence) in self._lost:
            raise wishes.taken(run)

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
            self._storing, self._pending = self._pending, []
            return self._storing

    def _store(self, batch: Sequence[Entry]) -> None:
        written = wishes.write(self.deploy_id, batch, self._offsets)
        with self._change:
            self._lost |= written.lost
            self._offsets |= written.ends

    def _stored(self, batch: Sequence[Entry]) -> None:
        waited = [entry for entry in batch if isinstance(entry, Wish)]
        size = sum(entry.size for entry in batch if isinstance(entry, Piece))
        with self._change:
            self._storing = []
            self._batches += 1
            self._count -= size
            self._under_way.difference_update(wish.result[0].id for wish in waited if wish.result)
            self._change.notify_all()
        for wish in waited:
            wish.end()
        with self._change:
            # let a batch gather; not a poll: an empty recorder sleeps on its condition
            self._work.wait_for(lambda: self._urgent or self._closed, BATCH_SECONDS)
            more = 0.0 if self._closed else URGENT_SECONDS + PROGRAM_SECONDS * len(self._under_way)
        time.sleep(min(more, GATHER_MOST))

    def _fail(self, error: Exception) -> None:
        with self._change:
            self._error = error
            for entry in (*self._storing, *self._pending):
                if isinstance(entry, Wish):
                    entry.error = error
                    entry.end()
            self._change.notify_all()
