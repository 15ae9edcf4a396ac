"""Hosts on their way through a switch: each is armed, with an open channel, and waits for one word."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from django.db import connection

from deployments import host_program, recipes
from deployments.failures import Fenced, ProgramFailed
from deployments.host_program import parse_mark
from deployments.host_values import Mark
from deployments.models import HostRun
from deployments.writing import host_to_write
from environments import ssh

ARM_SECONDS = 8.0
WORD_SECONDS, TOGETHER_MOST, ARMED_A_SECOND = 10, 500, 50
THREADS_MOST = 256
QUIET_MOST = 250  # ms; a host answers one later for each that is to get the word too


def word_seconds(hosts: int) -> int:
    """How long an armed host waits for the word: 10 s, and longer where very many switch together."""
    return WORD_SECONDS + max(0, hosts - TOGETHER_MOST) // ARMED_A_SECOND


@dataclass
class Armed:
    """One host on the way through the switch, and the open channel to it."""

    run: HostRun
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    channel: ssh.Channel | None = None
    buffer: bytes = b""
    previous: str = ""
    live: str = ""  # what served when it was armed
    armed_at: float = 0.0
    together: int = 1  # how many hosts switch in one wave
    failure: Exception | None = None
    told: bool = False
    switched: bool = False
    switched_at: float = 0.0  # on this process's monotonic clock


class Arming:
    """The channels to armed hosts. When it is left, all are closed, which no host takes for the word."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> "Arming":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        self._stack.close()

    def keep(self, opened: AbstractContextManager[ssh.Channel]) -> bool:
        """Whether it is not too late for this one."""
        with self._lock:
            if not self._over:
                self._stack.push(opened)
            return not self._over

    def arm(self, items: Sequence[Armed], pool: Executor) -> None:
        """All at once. Those that hang are left behind: the others are armed, and wait for the word only so long."""
        pending = {id(item): item for item in items}
        first, over, lock = threading.Event(), threading.Event(), threading.Lock()

        def one(item: Armed) -> None:
            try:
                arm_host(item, self)
            except Exception as error:  # noqa: BLE001 - it belongs to this host, and is told there
                item.failure = item.failure or error
            with lock:
                del pending[id(item)]
                if not pending:
                    over.set()
            if (item.armed_at or over.is_set()) and not first.is_set():
                first.set()

        spread(items, one, pool)
        first.wait()
        armed_at = min((item.armed_at for item in items if item.armed_at), default=0.0)
        over.wait(max(0.0, armed_at + word_seconds(len(items)) - 3 - time.monotonic()))
        with lock:
            behind = list(pending.values())
        for item in behind:
            name = item.run.host_name
            item.failure = ssh.HostUnreachable(
                name, f"{name} did not answer when all were to switch, so the others did not wait for it."
            )


def spread(items: Sequence[Armed], act: Callable[[Armed], None], pool: Executor) -> "list[Future[None]]":
    """On all at once, as far as there are threads; a thread takes one after the other, for each turn has its price."""
    todo = deque(items)

    def work() -> None:
        try:
            while True:
                try:
                    item = todo.popleft()
                except IndexError:
                    return
                act(item)
        finally:
            connection.close()

    return [pool.submit(work) for _ in range(min(len(items), THREADS_MOST))]


def arm_host(item: Armed, arming: Arming) -> None:
    run, deploy = item.run, item.run.deploy
    try:
        host = host_to_write(run)
        release = recipes.release(deploy)
        command = host_program.switch_command(
            recipes.place(deploy),
            name=f"{deploy.key}-switch-{run.fence}",
            fence=run.fence,
            nonce=item.nonce,
            release=release,
            seconds=word_seconds(item.together),
            quiet=min(QUIET_MOST, item.together),
        )
        opened = ssh.program(host, deploy.recipe["user"], command)
        channel = opened.__enter__()
        if not arming.keep(opened):
            opened.__exit__(None, None, None)
            return
        mark = next_mark(item, channel, ARM_SECONDS)
        if mark.word != "armed":
            raise refusal(run, mark)
        item.armed_at, item.live = time.monotonic(), mark.args
        # after a crash the host may have switched already; what it left then is in its row
        item.previous = run.previous if mark.args in ("-", release.name) else mark.args
        item.channel = channel
    except (ssh.SSHError, ProgramFailed) as error:
        item.failure = item.failure or error  # one that was left behind keeps that as its reason


def refusal(run: HostRun, mark: Mark) -> ProgramFailed:
    kind, _, text = mark.args.partition(" ")
    if mark.word == "refused" and kind == "fence":
        return Fenced(int(text))
    if mark.word == "not-switched":
        return ProgramFailed(mark.word, f"{run.host_name} could not be switched: {mark.args}")
    return ProgramFailed(kind or mark.word, f"{run.host_name} could not be switched: {text or mark.args}")


def next_mark(item: Armed, channel: ssh.Channel, seconds: float) -> Mark:
    give_up = time.monotonic() + seconds
    while True:
        line, newline, rest = item.buffer.partition(b"\n")
        if newline:
            item.buffer = rest
            mark = parse_mark(line + b"\n", item.nonce)
            if mark is not None:
                return mark
            continue
        data = channel.receive(max(0.05, give_up - time.monotonic()))
        if data == b"":
            raise ssh.HostUnreachable(
                item.run.host_name, f"{item.run.host_name} closed the connection without an answer."
            )
        if data is None:
            raise ssh.HostUnreachable(
                item.run.host_name, f"{item.run.host_name} did not answer within {seconds:.0f} s."
            )
        item.buffer += data
