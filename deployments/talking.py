"""One connection to a durable program on a host: started or attached to, heard to its end or to the link's."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from deployments import host_program, host_values, log, recipes, runs, upload
from deployments.claims import ClaimLost
from deployments.failures import Fenced, ProgramFailed, Stopped
from deployments.host_program import parse_mark
from deployments.host_values import ArchiveSource, Mark
from deployments.jobs import Job
from deployments.models import HostRun, Program, ProgramPhase
from deployments.models.logs import Stream
from deployments.spool import Lines, Marked, SpoolReader
from deployments.writing import host_to_write
from environments import ssh

QUIET_SECONDS = 10.0  # after that long without a word the host is asked whether the link still lives
GREETING_SECONDS = 300.0  # how long a host may take to start a program
STOP_SECONDS = 15  # how long a host may take to stop what it was told to stop
LISTEN_SECONDS = 1.0  # how soon a cancel is heard; shorter, hundreds of threads would wake for nothing

Said = log.Piece | runs.Note | runs.Removed


@dataclass
class Talk:
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


def talk_to(job: Job, program: Program, talk: Talk, text: str) -> None:
    """Until the program's end is stored. Raises HostUnreachable, ProgramFailed, ClaimLost, Stopped."""
    run = job.run
    offset = job.recorder.offset(run, program)
    reader = SpoolReader(program.nonce, job.known_secrets, offset)
    said: list[Said] = []
    with ssh.program(host_to_write(run), run.deploy.recipe["user"], _command(job, program, offset)) as channel:
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


def _doubt(job: Job, channel: ssh.Channel, talk: Talk) -> None:
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


def _command(job: Job, program: Program, offset: int) -> str:
    run = job.run
    return host_program.start_command(
        host_values.Call(
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


def _stop_if_asked(job: Job, channel: ssh.Channel, talk: Talk) -> None:
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


def _greet(job: Job, program: Program, channel: ssh.Channel, talk: Talk, data: bytes) -> bytes:
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


def _take(job: Job, program: Program, talk: Talk, items: Sequence[Lines | Marked]) -> list[Said]:
    """What is to be told of what the host has said."""
    said: list[Said] = []
    for item in items:
        if isinstance(item, Lines):
            said.append(log.Piece(job.run, program, Stream.OUTPUT, item.texts, item.end))
        else:
            said += _mark(job, program, talk, item.mark, item.end)
    return said


def _mark(job: Job, program: Program, talk: Talk, mark: Mark, end: int) -> Iterator[Said]:
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


def _store_result(job: Job, program: Program, talk: Talk, last: Sequence[Said]) -> None:
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
