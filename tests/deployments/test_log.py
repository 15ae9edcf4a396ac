"""The log of a deploy: every line once, numbered without a gap, whoever writes it."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction

from deployments import claims, log, wishes
from deployments import recorder as recorder_module
from deployments.models import Deploy, HostRun, LogChunk, Program
from deployments.models.logs import Stream
from deployments.moves import Move, move_all
from deployments.recorder import Recorder
from deployments.runs import Note
from deployments.states import RunStatus
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def deploy(transactional_db: None, make_place: MakeFleetTarget) -> Deploy:
    return request(make_place(hosts=4))


@pytest.fixture
def taken(deploy: Deploy) -> list[HostRun]:
    return claims.take(claims.register(), deploy, list(deploy.runs.values_list("pk", flat=True)))


def program_of(run: HostRun, attempt: int = 1) -> Program:
    return Program.objects.create(run=run, phase="prepare", attempt=attempt, nonce="n")


@contextmanager
def recorder(deploy: Deploy) -> Iterator[Recorder]:
    made = Recorder(deploy.pk)
    try:
        yield made
    finally:
        made.close()


def piece(run: HostRun, program: Program, texts: list[str], end: int, stream: str = Stream.OUTPUT) -> log.Piece:
    return log.Piece(run, program, stream, texts, end)


def numbered(deploy: Deploy) -> None:
    """Numbers without a gap, as many as the deploy says, and the digest of just these texts."""
    lines = list(log.read_all(deploy.pk))
    assert [line.n for line in lines] == list(range(1, len(lines) + 1))
    deploy.refresh_from_db()
    assert deploy.lines == len(lines)
    sha = hashlib.sha256("".join(f"{line.text}\n" for line in lines).encode()).hexdigest()
    assert log.digest(deploy.pk) == (len(lines), sha)


def test_what_the_deployer_says_is_stored_at_once(deploy: Deploy) -> None:
    log.say(deploy, "one\ntwo", host="web-01")
    log.say(deploy, "")
    said = [(line.host, line.stream, line.text) for line in log.read(deploy.pk, 2)]
    assert said == [("web-01", "deployer", "one"), ("web-01", "deployer", "two"), ("", "deployer", "")]
    numbered(deploy)


def test_what_is_said_is_undone_with_its_transaction(deploy: Deploy) -> None:
    before = log.digest(deploy.pk)[0]
    with transaction.atomic():
        log.say(deploy, "never")
        transaction.set_rollback(True)
    deploy.refresh_from_db()
    assert (deploy.lines, "never" in [line.text for line in log.read_all(deploy.pk)]) == (before, False)


def test_lines_of_many_hosts_are_each_in_order(deploy: Deploy, taken: list[HostRun]) -> None:
    def write(run: HostRun, to: Recorder) -> None:
        try:
            program = program_of(run)
            to.begin(program, 0)
            for n in range(200):
                to.add(piece(run, program, [f"{n}.{part}" for part in range(5)], 10 * (n + 1)))
            to.flush(run)
        finally:
            connection.close()

    with recorder(deploy) as to:
        threads = [threading.Thread(target=write, args=(run, to)) for run in taken]
        for thread in threads:
            thread.start()
        for n in range(20):
            log.say(deploy, f"word {n}")
        for thread in threads:
            thread.join()
    numbered(deploy)
    for run in taken:
        own = [line.text for line in log.read_all(deploy.pk, host=run.host_name)]
        assert own == [f"{n}.{part}" for n in range(200) for part in range(5)]
        assert log.stored_offset(run.programs.get()) == 2000
    assert LogChunk.objects.filter(deploy=deploy).count() < 200, "few rows, not one for each piece"


def test_flush_returns_when_all_is_stored(deploy: Deploy, taken: list[HostRun]) -> None:
    run = taken[0]
    program = program_of(run)
    with recorder(deploy) as to:
        to.begin(program, 0)
        to.add(piece(run, program, ["a"], 2))
        to.add(piece(run, program, ["note"], 30, Stream.DEPLOYER))
        to.add(piece(run, program, ["b"], 32))
        to.flush(run)
        assert [line.text for line in log.read_all(deploy.pk, host=run.host_name)] == ["a", "note", "b"]
        assert log.stored_offset(program) == 32


def test_who_has_lost_the_claim_stores_nothing_and_hears_of_it(deploy: Deploy, taken: list[HostRun]) -> None:
    mine, lost = taken[:2]
    programs = [program_of(run) for run in (mine, lost)]
    HostRun.objects.filter(pk=lost.pk).update(fence=lost.fence + 50)
    with recorder(deploy) as to:
        for run, program in zip((mine, lost), programs, strict=True):
            to.begin(program, 0)
            to.add(piece(run, program, ["line"], 5))
        to.flush(mine)
        with pytest.raises(claims.ClaimLost):
            to.flush(lost)
        with pytest.raises(claims.ClaimLost):
            to.add(piece(lost, programs[1], ["more"], 10))
    assert not LogChunk.objects.filter(program=programs[1]).exists()
    assert [line.text for line in log.read_all(deploy.pk, host=mine.host_name)] == ["line"]
    numbered(deploy)


def test_an_end_is_written_with_its_last_words_and_the_move_or_not_at_all(deploy: Deploy, taken: list[HostRun]) -> None:
    mine, lost = taken[:2]
    programs = [program_of(run) for run in (mine, lost)]
    move_all([Move(run, RunStatus.PREPARING) for run in (mine, lost)])
    HostRun.objects.filter(pk=lost.pk).update(fence=lost.fence + 50)
    with recorder(deploy) as to:
        for run, program in zip((mine, lost), programs, strict=True):
            to.begin(program, 0)
            goal = Move(run, RunStatus.PREPARED, {"step": "prepared"})
            said: list[log.Piece | Note] = [Note(run, "build"), piece(run, program, ["last"], 5)]
            if run is mine:
                to.finish(run, program, "ok", said, goal)
            else:
                with pytest.raises(claims.ClaimLost):
                    to.finish(run, program, "ok", said, goal)
    rows = HostRun.objects.filter(pk__in=[mine.pk, lost.pk]).order_by("pk").values_list("status", "step")
    assert list(rows) == [("prepared", "prepared"), ("preparing", "")]
    ends = Program.objects.filter(run__in=[mine, lost]).order_by("run").values_list("result", "chunks__text")
    assert list(ends) == [("ok", "last"), ("", None)]
    numbered(deploy)


def test_who_wants_a_move_that_is_not_allowed_any_more_hears_of_it(deploy: Deploy, taken: list[HostRun]) -> None:
    """The claim holds, and somebody has ended the host run meanwhile; how its program ended is true all the same."""
    run = taken[0]
    program = program_of(run)
    HostRun.objects.filter(pk=run.pk).update(status=RunStatus.CANCELLED)
    with recorder(deploy) as to:
        to.begin(program, 0)
        with pytest.raises(claims.ClaimLost):
            to.finish(run, program, "ok", [], Move(run, RunStatus.PREPARED))
    assert HostRun.objects.get(pk=run.pk).status == RunStatus.CANCELLED
    assert Program.objects.get(pk=program.pk).result == "ok"


def test_a_result_and_its_move_are_one_transaction(
    deploy: Deploy, taken: list[HostRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies in between would leave a host run whose program has ended, and which stands still."""

    def fail(moves: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(wishes, "move_all", fail)
    run = taken[0]
    program = program_of(run)
    to = Recorder(deploy.pk)
    to.begin(program, 0)
    with pytest.raises(DatabaseError, match="the disk is full"):
        to.finish(run, program, "ok", [piece(run, program, ["last"], 5)], Move(run, RunStatus.PREPARED))
    to.close()
    program.refresh_from_db()
    assert (program.result, program.chunks.count()) == ("", 0)
    numbered(deploy)


def test_the_same_bytes_are_stored_once(deploy: Deploy, taken: list[HostRun]) -> None:
    """Two that believe to hold the claim and begin at the same offset: the second is refused, not doubled."""
    run = taken[0]
    program = program_of(run)
    with recorder(deploy) as first:
        first.begin(program, 0)
        first.add(piece(run, program, ["a"], 2))
        first.flush(run)
    second = Recorder(deploy.pk)
    second.begin(program, 0)
    second.add(piece(run, program, ["a"], 2))
    with pytest.raises(DatabaseError):
        second.flush(run)
    second.close()
    assert [line.text for line in log.read_all(deploy.pk, host=run.host_name)] == ["a"]
    numbered(deploy)


def test_who_goes_on_begins_where_the_stored_log_ends(deploy: Deploy, taken: list[HostRun]) -> None:
    run = taken[0]
    program = program_of(run)
    spool = [f"line {n}" for n in range(100)]
    ends = [sum(len(text) + 1 for text in spool[: n + 1]) for n in range(100)]
    for until in (30, 31, 77, 100):
        with recorder(deploy) as to:
            offset = log.stored_offset(program)
            to.begin(program, offset)
            for text, end in zip(spool[:until], ends[:until], strict=True):
                if end > offset:
                    to.add(piece(run, program, [text], end))
            to.flush(run)
    assert [line.text for line in log.read_all(deploy.pk, host=run.host_name)] == spool
    numbered(deploy)


def test_a_flood_is_held_up_and_stored_in_rows_of_bounded_size(
    deploy: Deploy, taken: list[HostRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_PENDING", 200_000)
    run = taken[0]
    program = program_of(run)
    most = 0
    with recorder(deploy) as to:
        to.begin(program, 0)
        for n in range(60):
            to.add(piece(run, program, ["x" * 60_000], 60_001 * (n + 1)))
            most = max(most, to._count)
        to.flush(run)
    assert most <= 260_002
    sizes = [len(text) for text in LogChunk.objects.filter(program=program).values_list("text", flat=True)]
    assert max(sizes) <= log.CHUNK_CHARACTERS
    assert sum(sizes) >= 60 * 60_000
    numbered(deploy)


def test_a_store_that_fails_is_told_to_all_who_wait(
    deploy: Deploy, taken: list[HostRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Recorder, batch: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Recorder, "_store", fail)
    run = taken[0]
    program = program_of(run)
    to = Recorder(deploy.pk)
    to.begin(program, 0)
    to.add(piece(run, program, ["a"], 2))
    calls: list[Callable[[], None]] = [lambda: to.flush(run), lambda: to.add(piece(run, program, ["b"], 4))]
    for call in calls:
        with pytest.raises(DatabaseError, match="the disk is full"):
            call()
    to.close()


def test_reading_begins_at_any_line(deploy: Deploy, taken: list[HostRun]) -> None:
    run = taken[0]
    program = program_of(run)
    with recorder(deploy) as to:
        to.begin(program, 0)
        to.add(piece(run, program, [f"{n}" for n in range(2500)], 10_000))
        to.flush(run)
    deploy.refresh_from_db()
    for start in (1, 2, 3, 1000, 1002, deploy.lines):
        assert [line.n for line in log.read_all(deploy.pk, start)] == list(range(start, deploy.lines + 1))
    assert log.read(deploy.pk, deploy.lines + 1) == []
    assert len(log.read(deploy.pk, 1, most=1)) < deploy.lines
