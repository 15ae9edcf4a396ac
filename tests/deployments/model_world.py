"""The real verbs and ORM on hosts in memory, in one thread: workers that die or sleep at any point, clocks that jump.

A *point* is a moment at which a worker has said or heard something, or is about to write what it knows. Between two
points nothing else happens, so a trap at a point (the worker dies, sleeps while others go on, loses its link) is a
race that can be repeated.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import override_settings
from django.utils import timezone

from deployments import (
    batches,
    blockers,
    claims,
    drift,
    engine,
    follow,
    lifecycle,
    live,
    own_disk,
    phases,
    plan,
    runs,
    switching,
)
from deployments import doorbell as bell
from deployments import recorder as writing
from deployments.errands import Errands
from deployments.models import Deploy, HostRun, LogChunk
from deployments.runtime import Runtime
from deployments.states import ACTIVE, FINAL, RUN_OPEN, DeployStatus
from environments import repositories, revision_file
from environments.models import Application, Target, Task
from tests.builders import make_application, make_environment, make_host, make_step, make_target, make_user
from tests.deployments.model_hosts import FLEET, ModelHost, StartChannel, SwitchChannel, _Link

_count = itertools.count(1)
_real_now = timezone.now
REFUSALS = (lifecycle.LifecycleError, blockers.Blocked)


class Died(BaseException):
    """kill -9: nothing that runs in this process sees it coming."""


@dataclass(frozen=True)
class Trap:
    """What happens `after` so many points of a name, or of any; `script`: what others do while the worker sleeps."""

    kind: str
    after: int
    where: str = ""
    script: tuple[str, ...] = ()
    renews: bool = False  # a worker that wakes: its pulse comes before its next word
    lapses: bool = True  # it sleeps for longer than its claims hold


class Clock:
    """Time for whoever waits: it passes by waiting alone."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class InOrder(Executor):
    """One after the other, here and now."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as every executor
            future.set_exception(error)
        return future


class ErrandsInOrder(Errands):
    """The same for the threads of hosts."""

    def each(self, items: Sequence[Any], act: Callable[[Any], None]) -> None:
        futures = [InOrder().submit(act, item) for item in items]
        for future in futures:
            future.result()


class Stop:
    """A stop event whose waits cost no time."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._set = clock, False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        self._clock.sleep(seconds)
        return self._set


class ModelWorker(Runtime):
    """A worker process without threads of its own."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.pool = ErrandsInOrder(64)
        self.awake = True

    @contextmanager
    def watching(self, deploy_id: int) -> Iterator[None]:
        self._stops.setdefault(deploy_id, Stop(self._clock))  # type: ignore[arg-type]
        with super().watching(deploy_id):
            yield


class World:
    """One target on some hosts, the workers, and the messages between them."""

    def __init__(self, *, hosts: int, once: bool = False, **fields: Any) -> None:
        self.clock = Clock()
        self.claims_at = 0.0
        self.offset = timedelta()
        self.acting: ModelWorker | None = None
        self.trap: Trap | None = None
        self.passed = 0
        self.dying: ModelWorker | None = None
        self.messages: list[tuple[int, str, list[int]]] = []
        self.woken: list[tuple[ModelWorker, dict[int, Any]]] = []
        self.check: Callable[[], None] = lambda: None
        self.wrong: AssertionError | None = None  # found while a worker slept
        self._stack = ExitStack()
        for place, name, value in self._replaced():
            self._stack.enter_context(patch.object(place, name, value))
        self._stack.enter_context(override_settings(HOST_TRANSPORT="tests.deployments.model_hosts.program"))
        self._make(hosts, once=once, **fields)
        self.workers = [ModelWorker(self.clock), ModelWorker(self.clock)]

    def _make(self, hosts: int, *, once: bool, **fields: Any) -> None:
        self.by = make_user()
        place = make_environment()
        application = make_application(distribution=Application.Distribution.GIT)
        self.target = make_target(application=application, environment=place, **fields)
        make_step(target=self.target, name="build", position=1)
        if once:
            make_step(target=self.target, name="migrate", phase="once", position=2, repeatable=False)
        make_step(target=self.target, name="restart", phase="restart", position=3)
        self.task = Task.objects.create(target=self.target, name="clear", command="true")
        rows = [make_host(environment=place) for _ in range(hosts)]
        FLEET.hosts = self.hosts = {row.name: ModelHost(row.name) for row in rows}
        FLEET.point = self.point

    def _replaced(self) -> list[tuple[Any, str, Any]]:
        """What stands in for threads, clocks, git and the broker; and where a worker may be stopped."""
        idle = type("Connection", (), {"close": lambda self: None})()
        return [
            (timezone, "now", lambda: _real_now() + self.offset),
            (claims, "now", lambda: self.claims_at),
            (claims, "let_go", self._unless_dying(claims.let_go)),
            (claims, "take", self._then_point("taken", claims.take)),
            (engine, "_decide", self._at_point("decide", engine._decide)),
            (runs, "move", self._at_point("move", runs.move)),
            (writing.Recorder, "move", self._at_point("move", writing.Recorder.move)),
            (switching, "record", self._at_point("record", switching.record)),
            (follow, "_store_result", self._at_point("result", follow._store_result)),
            (switching, "ThreadPoolExecutor", InOrder),
            (follow, "time", self.clock),
            (switching, "time", self.clock),
            (follow, "LINK_SECONDS", 2),
            (switching, "ASK_SECONDS", 2),
            (writing, "BATCH_SECONDS", 0),
            (writing, "URGENT_SECONDS", 0),
            (batches, "ThreadPoolExecutor", InOrder),
            (batches, "connection", idle),
            (phases, "connection", idle),
            (switching, "connection", idle),
            (drift, "ThreadPoolExecutor", InOrder),
            (drift, "connection", idle),
            (live, "announce", lambda *_, **__: None),
            (bell, "publish", lambda *_: True),
            (own_disk, "why_full", lambda: ""),
            (repositories, "resolve", lambda *_: self._resolve()),
            (repositories, "ensure_revision", lambda *_: None),
            (repositories, "size_of", lambda *_: 1),
            (revision_file, "read", lambda *_, **__: None),
        ]

    def _resolve(self) -> str:
        self.point(None, "git")
        return f"{next(_count):07x}" + secrets.token_hex(17)[:33]

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self._stack.close()

    # points

    def _at_point(self, where: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def then(*args: Any, **kwargs: Any) -> Any:
            if not connection.in_atomic_block:
                self.point(None, where)
            return act(*args, **kwargs)

        return then

    def _then_point(self, where: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def first(*args: Any, **kwargs: Any) -> Any:
            answer = act(*args, **kwargs)
            self.point(None, where)
            return answer

        return first

    def _unless_dying(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def alive(*args: Any) -> Any:
            return None if self.dying is not None else act(*args)

        return alive

    def point(self, link: _Link | None, where: str) -> None:
        if self.trap is None or self.dying is not None or self.trap.where not in ("", where):
            return
        self.passed += 1
        if self.passed <= self.trap.after:
            return
        trap, self.trap = self.trap, None
        if trap.kind == "kill":
            self.dying = self.acting
            raise Died
        if trap.kind == "sleep":
            self._sleep(trap)
        elif link is not None:
            self._break(link, trap.kind)

    def _break(self, link: _Link, kind: str) -> None:
        if kind == "reboot":
            link.host.reboot()
        if kind == "late" and isinstance(link, SwitchChannel) and link in link.host.switches:
            link.send_late()
        link.dead = True
        if isinstance(link, StartChannel):
            link.host.go_on(1)

    def _sleep(self, trap: Trap) -> None:
        """The worker is stopped; its claims lapse, others do what the script says, and it wakes up."""
        sleeper, self.acting = self.acting, None
        if sleeper is not None:
            sleeper.awake = False
        mine = self._claimed_by(sleeper)
        if trap.lapses:
            self.pass_time(claims.LAPSE_SECONDS + 1)
        try:
            for word in trap.script if trap.lapses else ("work",):
                self.do(word)
        except AssertionError as wrong:
            # kept until the act is over: what called this point may take any error for one of a host
            self.wrong = self.wrong or wrong
        if sleeper is not None:
            sleeper.awake = True
            if trap.renews:
                sleeper._renew()
            sleeper._look_for_cancels()
            kept = self._claimed_by(sleeper)
            lost = {pk for pk, fence in mine.items() if kept.get(pk) != fence}
            if lost and not trap.lapses:
                self.wrong = self.wrong or AssertionError(f"taken from a worker that lives: {lost}")
            self.woken.append((sleeper, self._written(lost)))
        self.acting = sleeper

    def _claimed_by(self, worker: ModelWorker | None) -> dict[int, int]:
        if worker is None:
            return {}
        return dict(HostRun.objects.filter(claimed_by=worker.worker.pk).values_list("pk", "fence"))

    def _written(self, run_ids: set[int]) -> dict[int, Any]:
        """All that is stored of these host runs."""
        rows = HostRun.objects.filter(pk__in=run_ids).values()
        chunks = LogChunk.objects.filter(program__run__in=run_ids).order_by("pk")
        stored = list(chunks.values_list("program__run", "pk"))
        return {row["id"]: (row, [pk for run, pk in stored if run == row["id"]]) for row in rows}

    def _check_woken(self, worker: ModelWorker) -> None:
        """A worker that was taken for dead has changed nothing of what others have taken."""
        for sleeper, before in list(self.woken):
            if sleeper is worker:
                self.woken.remove((sleeper, before))
                assert self._written(set(before)) == before, "a stale worker has written"

    # acts

    @contextmanager
    def trapped(self, trap: Trap | None) -> Iterator[None]:
        self.trap, self.passed = trap, 0
        try:
            yield
        except Died:
            self._bury()
        finally:
            self.trap = self.dying = None
        if self.wrong is not None:
            raise self.wrong

    def _bury(self) -> None:
        """The dead process's row stays until others find that it has lapsed; a new process is there at once."""
        if self.dying is not None:
            self.workers.remove(self.dying)
            self.workers.append(ModelWorker(self.clock))
        self.acting = None
        connection.close_if_unusable_or_obsolete()

    def pass_time(self, seconds: float) -> None:
        """Workers that are awake renew meanwhile; hosts do not wait for a word longer than 10 s."""
        self.claims_at += seconds
        for worker in self.workers:
            if worker.awake:
                worker._renew()
        if seconds > 10:
            for host in self.hosts.values():
                host.wait_for_words()

    def awake(self) -> list[ModelWorker]:
        return [worker for worker in self.workers if worker.awake and worker is not self.acting]

    def work(self, rounds: int) -> None:
        """A worker that is awake looks at every open deploy, and does what is offered."""
        worker = self.awake()[0]
        for _ in range(rounds):
            before = len(self.messages)
            for deploy in self.open_deploys():
                self._as(worker, lambda pk=deploy.pk: engine.advance(pk, offer=self._offer))  # type: ignore[misc]
            for message in self.messages[before:]:
                self.deliver(message, worker)

    def deliver(self, message: tuple[int, str, list[int]], worker: ModelWorker | None = None) -> None:
        """Carry out one batch; a message may come late, twice or never."""
        who = worker or self.awake()[-1]
        deploy_id, work, run_ids = message
        self._as(who, lambda: batches.run_batch(deploy_id, work, run_ids, runtime=who))
        self._check_woken(who)

    def _as(self, worker: ModelWorker, act: Callable[[], None]) -> None:
        outer, self.acting = self.acting, worker
        act()
        self.acting = outer

    def _offer(self, deploy_id: int, do: plan.Do) -> None:
        half = len(do.runs) if do.work == "switch" else (len(do.runs) + 1) // 2
        for run_ids in (do.runs[:half], do.runs[half:]):
            if run_ids:
                self.messages.append((deploy_id, do.work, list(run_ids)))

    def do(self, word: str) -> None:
        """One act of others, by its name; a refusal is an answer as well."""
        acts: dict[str, Callable[[], Any]] = {
            "work": lambda: self.work(2),
            "finish": lambda: self.work(12),
            "request": lambda: lifecycle.request_deploy(target=self.target, ref="main", by=self.by, wait=True),
            "cancel": self.cancel,
            "give up": self.give_up,
            "flip": self.flip,
            "stop and roll back": lambda: lifecycle.roll_back(self.target, by=self.by, stop=True),
            "time": lambda: self.pass_time(100),
        }
        with suppress(*REFUSALS):
            acts[word]()
        self.check()

    def open_deploys(self) -> list[Deploy]:
        wanted = Deploy.objects.filter(target=self.target, status__in=(DeployStatus.WAITING, *ACTIVE))
        return list(wanted.order_by("pk"))

    def cancel(self) -> None:
        for deploy in self.open_deploys()[:1]:
            lifecycle.request_cancel(deploy, by=self.by)

    def give_up(self) -> None:
        """A cancel that was asked for so long ago that nobody waits for hosts any more."""
        self.pass_time(engine.CANCEL_SECONDS + 1)
        asked = Deploy.objects.filter(target=self.target, status=DeployStatus.CANCELLING)
        asked.update(cancelled_at=_real_now() - timedelta(seconds=engine.CANCEL_SECONDS + 2))
        self.work(3)

    def flip(self) -> None:
        for deploy in self.open_deploys():
            if deploy.held:
                lifecycle.flip(deploy, by=self.by)

    def converge(self) -> None:
        drift.look_at(Target.objects.get(pk=self.target.pk))
        lifecycle.converge(self.target, by=self.by)

    def newest(self) -> Deploy | None:
        return Deploy.objects.filter(target=self.target, status__in=FINAL).order_by("-number").first()

    def settle(self, rounds: int = 60) -> None:
        """Nothing is broken any more: every deploy comes to its end."""
        for host in self.hosts.values():
            host.down, host.failing = False, 0
        for _ in range(rounds):
            if not self.open_deploys():
                break
            self.do("flip")
            self.pass_time(claims.LAPSE_SECONDS + 3)
            self.work(3)
        left = [(deploy, deploy.status) for deploy in self.open_deploys()]
        states = list(HostRun.objects.filter(deploy__target=self.target, status__in=RUN_OPEN).values())
        assert not left, f"no end after {rounds} rounds: {left}, {states}"
