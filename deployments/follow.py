"""A durable program on a host, from start or attach to its stored end."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from deployments import host_program, log, recipes, runs, upload
from deployments.archives import Archive
from deployments.claims import ClaimLost
from deployments.host_program import ArchiveSource, Mark, parse_mark
from deployments.models import HostRun, LogChunk, Program, ProgramPhase, bulk
from deployments.models.bulk import ids_of
from deployments.models.logs import Stream
from deployments.moves import Move
from deployments.recorder import Recorder
from deployments.spool import Lines, Marked, SpoolReader
from environments import ssh
from environments.models import Host

LINK_SECONDS = 5  # how long a broken link is tried again; noticing it took 10 s, so unreachable is said within 20
UPLOADS_MOST = 3
QUIET_SECONDS = 10.0  # after that long without a word the host is asked whether the link still lives
GREETING_SECONDS = 300.0  # how long a host may take to start a program
STOP_SECONDS = 15  # how long a host may take to stop what it was told to stop
LISTEN_SECONDS = 1.0  # how soon a cancel is heard; shorter, hundreds of threads would wake for nothing
BLOCK = 1 << 16


Said = log.Piece | runs.Note | runs.Removed


class ProgramFailed(Exception):
    """How a host's part went wrong. `kind` is a word for machines, `str()` for people."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Stopped(Exception):
    """The program was stopped because the deploy is being cancelled."""


class Fenced(ProgramFailed):
    """The host has seen a higher fence than this claim's."""

    def __init__(self, seen: int) -> None:
        self.seen = seen
        super().__init__("fence", f"the host has seen fence {seen}")


@dataclass
class Job:
    """One host run's work in this process."""

    run: HostRun
    recorder: Recorder
    known_secrets: frozenset[str]
    stop: threading.Event
    leaving: threading.Event
    archive: Archive | None = None
    held: bool = False  # the release lies there already
    port: int | None = None
    program: Program | None = None  # what `open_programs` has found; later attempts are looked for
    goal: Move | None = None  # where the host run stands when it went well

    def take_program(self, phase: str) -> Program:
        """The program to carry out."""
        found, self.program = self.program, None
        if found is not None and found.phase == phase:
            return found
        return self.recorder.ask(lambda: _newest(self.run, phase))

    def reach_goal(self) -> None:
        """Unless it was written together with the program's result."""
        goal, self.goal = self.goal, None
        if goal is not None:
            self.recorder.move(goal.run, goal.to, **goal.fields)


@dataclass
class _Talk:
    """What the host has said on one connection."""

    greeting: bytes = b""
    uploading: bool = False
    following: bool = False
    heard: bool = False  # something of what the program has written
    done: str = ""
    failure: tuple[str, str] = ("", "")
    steps: dict[str, str] = field(default_factory=dict)
    stopping_since: float = 0.0
    began: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)  # when it last was known that the link lives


def carry_out(job: Job, phase: str, text: Callable[[], str]) -> None:
    """Bring the program of this phase to its end: start it, or attach to it where the stored log ends.

    Returns when it ended well, all is stored and the job's goal is reached.
    Raises ProgramFailed, Stopped, ClaimLost, ssh.SSHError.
    """
    while True:
        program = job.take_program(phase)
        if not program.result:
            _talk_until_end(job, program, text())
        if program.result.startswith("failed base ") and program.attempt == 1:
            _try_whole(job, program)
        elif program.result != "lost":
            _judge(program.result)
            return job.reach_goal()
        else:
            _again(job, program)


def open_programs(taken: Sequence[HostRun], phase: str, recorder: Recorder) -> dict[int, Program]:
    """The newest program of this phase by host run, made where there is none; a few statements for all of them."""
    found = Program.objects.filter(run__among=ids_of(taken), phase=phase).order_by("attempt")
    newest = {program.run_id: program for program in found}
    if newest:
        heard = LogChunk.objects.filter(program__among=ids_of(newest.values()))
        ends = heard.values_list("program").annotate(Max("end_offset"))
        offsets = dict(ends)
        recorder.begin_all(list(newest.values()), offsets)
    try:
        made = _new_programs([run for run in taken if run.id not in newest], phase)
    except IntegrityError:
        # our claims have lapsed in between and another worker is at it; hosts and rows tell who is too late
        return open_programs(taken, phase, recorder)
    recorder.begin_all(made, {})
    return newest | {program.run_id: program for program in made}


def _new_programs(some: Sequence[HostRun], phase: str) -> list[Program]:
    """The first attempt of each. Raises IntegrityError."""
    nonces = {run.id: secrets.token_hex(8) for run in some}
    at = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = [(pk, phase, 1, nonce, "", at) for pk, nonce in nonces.items()]
    with transaction.atomic():
        made = bulk.insert(
            Program, ("run_id", "phase", "attempt", "nonce", "result", "started_at"), rows, ("id", "run_id")
        )
    stored = ((pk, run_id, phase, 1, nonces[run_id], "") for pk, run_id in made)
    return bulk.instances(Program, ("id", "run_id", "phase", "attempt", "nonce", "result"), stored)


def _newest(run: HostRun, phase: str) -> Program:
    newest = Program.objects.filter(run=run, phase=phase).order_by("-attempt").first()
    return newest or Program.objects.create(run=run, phase=phase, nonce=secrets.token_hex(8))


def _again(job: Job, program: Program) -> None:
    """The host has forgotten how the program ended (it was restarted in the middle)."""
    phases = ("restart", "after") if program.phase == ProgramPhase.FINISH else (program.phase,)
    if program.attempt >= 3 or not recipes.may_repeat(job.run.deploy, job.run, phases):
        raise ProgramFailed(
            "unknown",
            f"{job.run.host_name} broke off in the middle and does not know how its steps ended; "
            "they may not run twice. Look at the host, then retry it.",
        )
    job.recorder.ask(lambda: _attempt_after(program))


def _try_whole(job: Job, program: Program) -> None:
    """No step has run yet; from the second attempt on the whole archive is offered."""
    job.recorder.ask(lambda: _attempt_after(program))


def _attempt_after(program: Program) -> Program:
    return Program.objects.create(
        run=program.run, phase=program.phase, attempt=program.attempt + 1, nonce=secrets.token_hex(8)
    )


def second_chance(job: Job, phase: str) -> bool:
    """Whether a failed program of this phase may be tried once more; then the next `carry_out` does that."""
    if not recipes.may_repeat(job.run.deploy, job.run, (phase,)):
        return False
    newest = job.recorder.ask(lambda: _newest(job.run, phase))
    if newest.attempt > 1:
        return False
    job.recorder.ask(lambda: _attempt_after(newest))
    return True


def _judge(result: str) -> None:
    word, _, rest = result.partition(" ")
    if word == "stopped":
        raise Stopped
    if word != "ok":
        kind, _, text = rest.partition(" ")
        raise ProgramFailed(kind or "step", text)


def _talk_until_end(job: Job, program: Program, text: str) -> None:
    """Connect again after a broken link, since the program goes on without us."""
    give_up, uploads = 0.0, 0
    while True:
        talk = _Talk()
        try:
            return _talk(job, program, talk, text)
        except ssh.HostUnreachable:
            now = time.monotonic()
            uploads += talk.uploading
            if talk.heard:
                give_up = now + LINK_SECONDS  # from when it broke: it may have held for hours before
            elif not give_up:
                give_up = talk.began + LINK_SECONDS
            if job.stop.is_set() or job.leaving.is_set() or now > give_up or uploads == UPLOADS_MOST:
                raise
            job.stop.wait(1)


def _talk(job: Job, program: Program, talk: _Talk, text: str) -> None:
    run = job.run
    offset = job.recorder.offset(run, program)
    reader = SpoolReader(program.nonce, job.known_secrets, offset)
    said: list[Said] = []
    with ssh.program(_host(run), run.deploy.recipe["user"], _command(job, program, offset)) as channel:
        channel.send(host_program.program_message(text, program.nonce))
        while not talk.done:
            data = channel.receive(LISTEN_SECONDS)
            _leave_if_asked(job)
            _stop_if_asked(job, channel, talk)
            if data is None:
                _doubt(job, channel, talk)
                continue
            talk.asked = time.monotonic()
            if data == b"":
                raise ssh.HostUnreachable(
                    run.host_name, f"The link to {run.host_name} broke in the middle of its {program.phase}."
                )
            if not talk.following:
                data = _greet(job, program, channel, talk, data)
            talk.heard = talk.heard or bool(data)
            said = _take(job, program, talk, reader.feed(data))
            if said and not talk.done:
                job.recorder.tell(run, said)
                said = []
        _store_result(job, program, talk, [*said, *_take(job, program, talk, reader.end())])
        if talk.following and talk.done != "lost":
            with suppress(ssh.HostUnreachable):  # all is stored; a spool that stays is removed by a later deploy
                channel.send(b"stored\n")
                channel.receive(2)  # the host closes once the spool is gone


def _doubt(job: Job, channel: ssh.Channel, talk: _Talk) -> None:
    """A host that says nothing may be busy or hung: a stopped sshd still has a kernel that answers for it."""
    now = time.monotonic()
    if not talk.following and now - talk.began > GREETING_SECONDS:
        raise ssh.HostUnreachable(
            job.run.host_name,
            f"{job.run.host_name} let us in but has not started its program within {GREETING_SECONDS:.0f} s.",
        )
    if now - talk.asked > QUIET_SECONDS:
        channel.check_link()
        talk.asked = time.monotonic()


def _host(run: HostRun) -> Host:
    if run.host is None:
        raise ProgramFailed("host-gone", f"{run.host_name} has been removed from the Deployer.")
    return run.host


def _command(job: Job, program: Program, offset: int) -> str:
    run = job.run
    return host_program.start_command(
        host_program.Call(
            place=recipes.place(run.deploy),
            name=f"{run.deploy.key}-{program.phase}-{program.attempt}",
            fence=run.fence,
            offset=offset,
            nonce=program.nonce,
            archive=_offered(job, program),
        )
    )


def _offered(job: Job, program: Program) -> ArchiveSource | None:
    if job.archive is None or program.phase != ProgramPhase.PREPARE:
        return None
    return (job.archive if program.attempt == 1 else job.archive.without_changes()).source


def _leave_if_asked(job: Job) -> None:
    if job.leaving.is_set():
        raise ClaimLost(f"This worker ends; another goes on with {job.run.host_name}.")


def _interrupted(job: Job) -> None:
    """In the middle of an upload nothing runs on the host yet."""
    _leave_if_asked(job)
    if job.stop.is_set():
        raise Stopped


def _stop_if_asked(job: Job, channel: ssh.Channel, talk: _Talk) -> None:
    if not job.stop.is_set() or not talk.following:
        return
    now = time.monotonic()
    if not talk.stopping_since:
        talk.stopping_since = now
        channel.send(b"stop\n")
    elif now - talk.stopping_since > STOP_SECONDS:
        raise ssh.HostUnreachable(
            job.run.host_name,
            f"{job.run.host_name} was told to stop and has not said that it did; its step may still run.",
        )


def _greet(job: Job, program: Program, channel: ssh.Channel, talk: _Talk, data: bytes) -> bytes:
    """The loader's lines, before the spool; what follows them is the spool's beginning."""
    talk.greeting += data
    while not talk.following and b"\n" in talk.greeting:
        line, _, talk.greeting = talk.greeting.partition(b"\n")
        mark = parse_mark(line + b"\n", program.nonce)
        if mark is None:
            continue  # a login banner or a noisy profile
        if mark.word == "refused":
            _refused(job.run, mark.args)
        elif mark.word == "need":
            talk.uploading = True
            upload.send(job.archive, channel, host_program.wanted(mark), interrupted=lambda: _interrupted(job))
        elif mark.word in ("started", "attached"):
            talk.following, talk.uploading = True, False
        elif mark.word in ("done", "lost"):
            talk.done = mark.args if mark.word == "done" else "lost"
            return b""
    rest, talk.greeting = (talk.greeting, b"") if talk.following else (b"", talk.greeting)
    return rest


def _refused(run: HostRun, args: str) -> None:
    kind, _, text = args.partition(" ")
    if kind == "fence":
        raise Fenced(int(text))
    if kind == "upload":
        raise ssh.HostUnreachable(run.host_name, f"{run.host_name} did not get the archive: {text}.")
    raise ProgramFailed(kind, f"{run.host_name} refused: {text}")


def _take(job: Job, program: Program, talk: _Talk, items: Sequence[Lines | Marked]) -> list[Said]:
    """What is to be told of what the host has said."""
    said: list[Said] = []
    for item in items:
        if isinstance(item, Lines):
            said.append(log.Piece(job.run, program, Stream.OUTPUT, item.texts, item.end))
        else:
            said += _mark(job, program, talk, item.mark, item.end)
    return said


def _mark(job: Job, program: Program, talk: _Talk, mark: Mark, end: int) -> Iterator[Said]:
    text = ""
    if mark.word == "say":
        text = mark.args
    elif mark.word == "step":
        word, index, rest = [*mark.args.split(" ", 2), ""][:3]
        if word == "begin":
            talk.steps[index] = rest
            yield runs.Note(job.run, rest)
            text = f"Step {rest}"
        elif rest != "0":
            text = f"Step {talk.steps.get(index, index)} ended with exit code {rest}."
    elif mark.word == "fail":
        kind, _, text = mark.args.partition(" ")
        talk.failure = (kind, text)
        failed = text
        job.recorder.ask(lambda: runs.note_failure(job.run, kind, failed))
    elif mark.word == "removed":
        yield runs.Removed(job.run, mark.args)
    elif mark.word == "end":
        talk.done = mark.args
    elif mark.word == "lost":
        talk.done = "lost"
    if text:
        yield log.Piece(job.run, program, Stream.DEPLOYER, [text], end)


def _store_result(job: Job, program: Program, talk: _Talk, last: Sequence[Said]) -> None:
    kind, text = talk.failure
    if not text:
        kind, text = job.run.error_kind, job.run.error  # heard by a worker that then died
    result = talk.done
    if result.startswith("failed"):
        result = f"failed {kind or result.partition(' ')[2]} {text}"
    goal = job.goal if result.partition(" ")[0] == "ok" else None
    job.recorder.finish(job.run, program, result, last, goal)
    if goal is not None:
        job.goal = None
