"""What the threads of many hosts want written, and how all of it that has gathered is written in one transaction."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from deployments import live, log, runs
from deployments.claims import ClaimLost
from deployments.log import NewChunk, Piece
from deployments.models import Deploy, HostRun, Program
from deployments.moves import Move, move_all
from deployments.runs import Note, Removed


@dataclass(eq=False)
class Wish:
    """Something to write: how a program ended, a move, both together, or any other act; perhaps a thread waits for it.

    `done` is held until it is written: a lock alone, for an Event costs each of thousands of hosts several times that.
    """

    run: HostRun | None = None
    result: tuple[Program, str] | None = None
    move: Move | None = None
    act: Callable[[], Any] | None = None
    answer: Any = None
    error: Exception | None = None
    done: "threading.Lock | None" = None

    def wait(self) -> Any:
        """Only after it was `awaited`, by one thread. Raises what went wrong."""
        assert self.done is not None
        self.done.acquire()
        if self.error is not None:
            raise self.error
        return self.answer

    def awaited(self) -> "Wish":
        self.done = threading.Lock()
        self.done.acquire()
        return self

    def end(self) -> None:
        if self.done is not None:
            self.done.release()


Entry = Piece | Wish | Note | Removed
Claim = tuple[int, int]  # host run and fence: this process may claim it anew


class Written(NamedTuple):
    """Whose claim no longer holds, and where the logs of programs end now."""

    lost: set[Claim]
    ends: dict[int, int]


def write(deploy_id: int, batch: Sequence[Entry], offsets: Mapping[int, int]) -> Written:
    """All of it in one transaction; `offsets` is where each program's next chunk begins. Raises DatabaseError."""
    pieces: list[Piece] = []
    wishes: list[Wish] = []
    notes: list[Note] = []
    gone: list[Removed] = []
    kinds: dict[type, list[Any]] = {Piece: pieces, Wish: wishes, Note: notes, Removed: gone}
    for entry in batch:
        kinds[type(entry)].append(entry)
    lost: set[Claim] = set()
    chunks: list[NewChunk] = []
    with transaction.atomic():
        if pieces or any(wish.result for wish in wishes):
            lost, chunks = _store_lines(deploy_id, pieces, wishes, offsets)
            _store_results(wishes, lost)
        moving = {wish.move.run.id for wish in wishes if wish.move and "step" in wish.move.fields}
        if notes := [note for note in notes if note.run.id not in moving]:
            runs.note_all(notes)
        if gone:
            runs.forget_releases(gone)
        _move(wishes)
        _act(wishes)
    if chunks:
        live.announce(deploy_id, n=chunks[-1].last_n)
    return Written(lost, {chunk.program_id: chunk.end_offset for chunk in chunks})


def _store_lines(
    deploy_id: int, pieces: Sequence[Piece], wishes: Sequence[Wish], offsets: Mapping[int, int]
) -> tuple[set[Claim], list[NewChunk]]:
    """Whose claim no longer holds, and the chunks of those whose does."""
    deploy = Deploy.objects.select_for_update(no_key=True).only("lines").get(pk=deploy_id)
    speakers = {piece.run.id: piece.run for piece in pieces}
    speakers |= {wish.run.id: wish.run for wish in wishes if wish.run and wish.result}
    lost = runs.without_claim(list(speakers.values()))
    heard = [piece for piece in pieces if (piece.run.id, piece.run.fence) not in lost] if lost else pieces
    chunks = log.make_chunks(heard, deploy_id, deploy.lines, offsets)
    if chunks:
        log.insert(chunks)
        Deploy.objects.filter(pk=deploy_id).update(lines=chunks[-1].last_n)
    return lost, chunks


def _store_results(wishes: Sequence[Wish], lost: set[Claim]) -> None:
    by_result: dict[str, set[int]] = {}
    for wish in wishes:
        if wish.run and wish.result:
            program, result = wish.result
            if (wish.run.id, wish.run.fence) in lost:
                wish.error = taken(wish.run)
            else:
                by_result.setdefault(result, set()).add(program.id)
    for result, ids in by_result.items():
        Program.objects.filter(pk__among=ids).update(result=result, ended_at=timezone.now())


def _move(wishes: Sequence[Wish]) -> None:
    moves = [wish.move for wish in wishes if wish.move and wish.error is None]
    refused = move_all(moves) if moves else set()
    for wish in wishes if refused else ():
        if wish.move and wish.move.run.id in refused:
            wish.error = taken(wish.move.run)


def _act(wishes: Sequence[Wish]) -> None:
    for wish in wishes:
        if wish.act:
            try:
                with transaction.atomic():
                    wish.answer = wish.act()
            except Exception as error:  # noqa: BLE001 - it belongs to the thread that asked
                wish.error = error


def taken(run: HostRun) -> ClaimLost:
    return ClaimLost(f"{run.host_name} in deploy {run.deploy_id} was taken by another worker.")
