"""Arm every host of a wave, then flip them all with one word: seconds of preparation, milliseconds of difference."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from django.db import connection, transaction

from deployments import host_program, log, recipes, runs
from deployments.claims import ClaimLost
from deployments.follow import Fenced, ProgramFailed
from deployments.host_program import Mark, parse_mark
from deployments.models import Deploy, HostRun, Program, ProgramPhase
from deployments.moves import switched_all
from deployments.states import DeployStatus
from environments import ssh

ARM_SECONDS = 8.0
WORD_SECONDS, TOGETHER_MOST, ARMED_A_SECOND = 10, 500, 50
ANSWER_SECONDS = 10.0
ASK_SECONDS = 20.0
THREADS_MOST = 256
QUIET_MOST = 250  # ms; a host answers one later for each that is to get the word too


def word_seconds(hosts: int) -> int:
    """How long an armed host waits for the word: 10 s, and longer where very many switch together."""
    return WORD_SECONDS + max(0, hosts - TOGETHER_MOST) // ARMED_A_SECOND


class SwitchUnknown(ProgramFailed):
    """The host may or may not have switched, and cannot be asked. `str()` is the whole truth of it."""

    def __init__(self, text: str) -> None:
        super().__init__("unknown", text)


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


def switch(deploy: Deploy, taken: Sequence[HostRun], stop: threading.Event) -> list[Armed]:
    """Switch all of `taken` together. Each item of the answer tells how its host ended.

    Nothing is written to the database here but through `runs`; raises nothing for single hosts.
    """
    items = [Armed(run, together=len(taken)) for run in taken]
    # threads of its own: an armed host must not wait for its turn behind another deploy's long steps
    pool = ThreadPoolExecutor(min(len(items), THREADS_MOST), thread_name_prefix="switch")
    try:
        with Arming() as arming:
            arming.arm(items, pool)
            ready = [item for item in items if item.channel is not None and item.failure is None]
            may = _may_flip(deploy, items, ready) and not stop.is_set()
            if may and runs.begin_switch([item.run for item in ready]):
                for item in ready:
                    _tell(item)
                _wait_for(_spread(ready, _hear, pool))
                _wait_for(_spread([item for item in ready if not item.switched and not item.failure], _ask, pool))
    finally:
        pool.shutdown(wait=False)  # a host that hangs keeps its thread a while, and nobody waits for it
    for item in items:
        if _may_have_switched(item):
            item.failure = _cannot_be_asked(item)
    return items


def at_once(act: Callable[[], None]) -> None:
    """Carry it out here and now."""
    act()


def _may_have_switched(item: Armed) -> bool:
    """An earlier claim may have given the word, and died before a row said so; now the host could not be armed."""
    if item.failure is None or item.live or isinstance(item.failure, Fenced) or item.run.step != runs.SWITCHING:
        return False
    return not (isinstance(item.failure, ProgramFailed) and item.failure.kind == "release")


def _cannot_be_asked(item: Armed) -> SwitchUnknown:
    return SwitchUnknown(f"Nobody could ask {item.run.host_name} which release serves there: {item.failure}")


def settle(run: HostRun, ask: Callable[[Callable[[], None]], None] = at_once) -> None:
    """Learn whether a switch that nobody has recorded took place; after this, no earlier claim can switch the host.

    Arms it by this claim and gives no word; `ask` carries out what writes it. Raises SwitchUnknown, Fenced, ClaimLost.
    """
    item = Armed(run)
    with Arming() as arming:
        _arm(item, arming)
    if isinstance(item.failure, Fenced):
        raise item.failure
    if item.failure is not None:
        raise _cannot_be_asked(item)
    if item.live == recipes.release(run.deploy).name:
        ask(lambda: runs.switched(run, item.previous))


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
                _arm(item, self)
            except Exception as error:  # noqa: BLE001 - it belongs to this host, and is told there
                item.failure = item.failure or error
            with lock:
                del pending[id(item)]
                if not pending:
                    over.set()
            if (item.armed_at or over.is_set()) and not first.is_set():
                first.set()

        _spread(items, one, pool)
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


def _spread(items: Sequence[Armed], act: Callable[[Armed], None], pool: Executor) -> "list[Future[None]]":
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


def _wait_for(futures: "Sequence[Future[None]]") -> None:
    wait(futures)
    for future in futures:
        future.result()


def _arm(item: Armed, arming: Arming) -> None:
    run, deploy = item.run, item.run.deploy
    try:
        if run.host is None:
            raise ProgramFailed("host-gone", f"{run.host_name} has been removed from the Deployer.")
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
        opened = ssh.program(run.host, deploy.recipe["user"], command)
        channel = opened.__enter__()
        if not arming.keep(opened):
            opened.__exit__(None, None, None)
            return
        mark = _next_mark(item, channel, ARM_SECONDS)
        if mark.word != "armed":
            raise _refusal(run, mark)
        item.armed_at, item.live = time.monotonic(), mark.args
        # after a crash the host may have switched already; what it left then is in its row
        item.previous = run.previous if mark.args in ("-", release.name) else mark.args
        item.channel = channel
    except (ssh.SSHError, ProgramFailed) as error:
        item.failure = item.failure or error  # one that was left behind keeps that as its reason


def lacks_release(item: Armed) -> bool:
    """The host lacks what it was thought to hold: nobody of the wave switches before it has been prepared."""
    failure = item.failure
    thought = isinstance(failure, ProgramFailed) and failure.kind == "release"
    return thought and not Program.objects.filter(run=item.run, phase=ProgramPhase.PREPARE).exists()


def _refusal(run: HostRun, mark: Mark) -> ProgramFailed:
    kind, _, text = mark.args.partition(" ")
    if mark.word == "refused" and kind == "fence":
        return Fenced(int(text))
    if mark.word == "not-switched":
        return ProgramFailed(mark.word, f"{run.host_name} could not be switched: {mark.args}")
    return ProgramFailed(kind or mark.word, f"{run.host_name} could not be switched: {text or mark.args}")


def _may_flip(deploy: Deploy, items: list[Armed], ready: list[Armed]) -> bool:
    """All claims still hold, nobody has cancelled, and enough are armed; asked right before the word."""
    if not Deploy.objects.filter(pk=deploy.pk, status=DeployStatus.RUNNING).exists():
        return False
    if any(isinstance(item.failure, Fenced) or lacks_release(item) for item in items):
        return False
    if runs.without_claim([item.run for item in items]):
        return False
    wave = HostRun.objects.filter(deploy=deploy, wave=items[0].run.wave)
    name = recipes.release(deploy).name
    # by rows, or by what a worker has left that died before it wrote them
    through = wave.filter(status__in=("switched", "live")).exists() or any(
        item.live == name and item.run.step == runs.SWITCHING for item in ready
    )
    return bool(ready) and (through or len(ready) * 100 >= deploy.plan.get("needed", 0) * wave.count())


def _tell(item: Armed) -> None:
    assert item.channel is not None
    item.told = True
    try:
        item.channel.send(b"flip\n")
    except ssh.HostUnreachable:
        return  # nobody knows whether the word arrived: the host is asked


def _hear(item: Armed) -> None:
    assert item.channel is not None
    try:
        mark = _next_mark(item, item.channel, ANSWER_SECONDS)
    except (ssh.HostUnreachable, ProgramFailed):
        return
    if mark.word == "switched":
        item.switched, item.switched_at = True, time.monotonic()
    else:
        item.failure = _refusal(item.run, mark)


def _ask(item: Armed) -> None:
    """The link died after the word was sent. Unknown is not failed: ask what `current` is.

    By arming it again, which waits for the end of the first try: a mere look could come before the word has arrived.
    """
    run = item.run
    give_up = time.monotonic() + ASK_SECONDS
    while time.monotonic() < give_up:
        again = Armed(run)
        with Arming() as arming:
            _arm(again, arming)
        if again.live == recipes.release(run.deploy).name:
            item.switched = True
        elif again.live:
            item.failure = ProgramFailed("link", f"The link to {run.host_name} died before it switched")
        elif isinstance(again.failure, Fenced):
            item.failure = again.failure
        else:
            time.sleep(1)
            continue
        return
    item.failure = SwitchUnknown(
        f"The link to {run.host_name} died while it switched, and it cannot be asked which release serves there.",
    )


def _next_mark(item: Armed, channel: ssh.Channel, seconds: float) -> Mark:
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


def record(deploy: Deploy, items: Sequence[Armed]) -> None:
    """Write what happened on each host, in one transaction. Raises ClaimLost."""
    through = [item for item in items if item.switched]
    times = [item.switched_at for item in through if item.switched_at]
    with transaction.atomic():
        if times:
            within = (max(times) - min(times)) * 1000
            log.say(deploy, f"{len(through)} of {len(items)} hosts switched, within {within:.0f} ms.")
        if switched_all([(item.run, item.previous) for item in through]):
            raise ClaimLost(f"A host of deploy {deploy.pk} was taken by another worker while it switched.")
