"""One target on some hosts, and its workers in one thread, who may die or sleep at any point.

A *point* is a moment at which a worker has said or heard something, or is about to write what it knows. Between two
points nothing else happens, so a trap at a point (the worker dies, sleeps while others go on, loses its link) is a
race that can be repeated.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.db.models import Value
from django.test import override_settings
from django.utils import timezone

from deployments import (
    arming,
    batches,
    claims,
    drift,
    engine,
    follow,
    live,
    own_disk,
    phases,
    runs,
    switching,
    talking,
)
from deployments import doorbell as bell
from deployments import recorder as writing
from deployments.models import Deploy, HostRun, LogChunk, Program
from environments import repositories, revision_file
from environments.models import Application, Task
from tests.builders import make_application, make_environment, make_host, make_step, make_target, make_user
from tests.deployments.model_guards import Guards
from tests.deployments.model_hosts import ModelHost
from tests.deployments.model_links import FLEET, Link, StartChannel, SwitchChannel
from tests.deployments.model_workers import Clock, InOrder, ModelWorker

_count = itertools.count(1)
real_now = timezone.now


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
    takes: bool = False  # another of its threads claims anew what it has lost, before this one goes on


class Stage:
    """One target on some hosts, its workers, and what is replaced for them."""

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
        self.taken_anew: list[HostRun] = []
        self.check: Callable[[], None] = lambda: None
        self.wrong: AssertionError | None = None  # found while a worker slept
        self._guards = Guards(lambda: self.claims_at, self.is_wrong)
        self._stack = ExitStack()
        for place, name, value in self._replaced():
            self._stack.enter_context(patch.object(place, name, value))
        self._stack.enter_context(override_settings(HOST_TRANSPORT="tests.deployments.model_links.program"))
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
            (timezone, "now", lambda: real_now() + self.offset),
            (claims, "now", lambda: self.claims_at),
            (claims, "now_in_query", lambda: Value(self.claims_at)),
            (claims, "let_go", self._unless_dying(claims.let_go)),
            (claims, "take", self._then_point("taken", self._guards.take(claims.take))),
            (engine, "_decide", self._at_point("decide", engine._decide)),
            (runs, "move", self._at_point("move", runs.move)),
            (writing.Recorder, "move", self._at_point("move", writing.Recorder.move)),
            (switching, "record", self._at_point("record", switching.record)),
            (switching, "_may_flip", self._guards.may_flip(switching._may_flip)),
            (runs, "begin_switch", self._at_point("word", self._guards.begin_switch(runs.begin_switch))),
            (talking, "_store_result", self._at_point("result", talking._store_result)),
            (switching, "ThreadPoolExecutor", InOrder),
            *((module, "time", self.clock) for module in (follow, talking, arming, switching)),
            (follow, "LINK_SECONDS", 2),
            (switching, "ASK_SECONDS", 2),
            (writing, "BATCH_SECONDS", 0),
            (writing, "URGENT_SECONDS", 0),
            (batches, "ThreadPoolExecutor", InOrder),
            (batches, "connection", idle),
            (phases, "connection", idle),
            (arming, "connection", idle),
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

    def point(self, link: Link | None, where: str) -> None:
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

    def _break(self, link: Link, kind: str) -> None:
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
        self.pass_time(claims.LAPSE_SECONDS + (1 if trap.lapses else -1))
        try:
            for word in trap.script if trap.lapses else ("work", *(word for word in trap.script if word == "cancel")):
                self.do(word)
        except AssertionError as wrong:
            self.is_wrong(str(wrong))
        if sleeper is not None:
            sleeper.awake = True
            if trap.renews:
                sleeper._renew()
            sleeper._look_for_cancels()
            if trap.takes:
                self._take_anew(sleeper, set(mine))
            kept = self._claimed_by(sleeper)
            lost = {pk for pk, fence in mine.items() if kept.get(pk) != fence}
            if lost and not trap.lapses:
                self.is_wrong(f"taken from a worker that lives: {lost}")
            self.woken.append((sleeper, self._written(lost)))
        self.acting = sleeper

    def _take_anew(self, sleeper: ModelWorker, mine: set[int]) -> None:
        """The same worker has them then, by a later fence, until what the earlier claim does is over."""
        for deploy in Deploy.objects.filter(runs__in=mine).distinct():
            self.taken_anew += claims.take(sleeper.worker, deploy, sorted(mine))

    def _claimed_by(self, worker: ModelWorker | None) -> dict[int, int]:
        if worker is None:
            return {}
        return dict(HostRun.objects.filter(claimed_by=worker.worker.pk).values_list("pk", "fence"))

    def _written(self, run_ids: set[int]) -> dict[int, Any]:
        """All that is stored of these host runs."""
        rows = HostRun.objects.filter(pk__in=run_ids).values()
        chunks = LogChunk.objects.filter(program__run__in=run_ids).order_by("pk")
        # one that has no end yet may be made by whoever is late: the host runs what the first one to come gives it
        programs = Program.objects.filter(run__in=run_ids).exclude(result="").order_by("pk")
        stored = [*chunks.values_list("program__run", "pk"), *programs.values_list("run", "pk", "result")]
        return {row["id"]: (row, [facts for run, *facts in stored if run == row["id"]]) for row in rows}

    def _check_woken(self, worker: ModelWorker) -> None:
        """A worker that was taken for dead has changed nothing of what others have taken."""
        for sleeper, before in list(self.woken):
            if sleeper is worker:
                self.woken.remove((sleeper, before))
                assert self._written(set(before)) == before, "a stale worker has written"
        claims.let_go(self.taken_anew)
        self.taken_anew = []

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

    def is_wrong(self, text: str) -> None:
        """Kept until the act is over: what called this point may take any error for one of a host."""
        self.wrong = self.wrong or AssertionError(text)

    def do(self, word: str) -> None:
        """One act of others, by its name."""
        raise NotImplementedError
