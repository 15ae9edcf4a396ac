"""The real verbs and ORM on hosts in memory: what people and workers do, one act after the other."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from deployments import batches, blockers, claims, drift, engine, lifecycle, plan
from deployments.models import Deploy, HostRun
from deployments.states import ACTIVE, FINAL, RUN_OPEN, DeployStatus, RunStatus
from environments.models import Target
from tests.deployments.model_stage import Stage, Trap, real_now
from tests.deployments.model_workers import ModelWorker

__all__ = ["REFUSALS", "Trap", "World"]

REFUSALS = (lifecycle.LifecycleError, blockers.Blocked)


class World(Stage):
    """A stage, and the messages between its workers."""

    def awake(self) -> list[ModelWorker]:
        return [worker for worker in self.workers if worker.awake and worker is not self.acting]

    def work(self, rounds: int) -> None:
        """A worker that is awake looks at every open deploy, and does what is offered; no longer than that changes."""
        worker = self.awake()[0]
        for _ in range(rounds):
            before, states = len(self.messages), self._states()
            self.look(worker)
            for message in self.messages[before:]:
                self.deliver(message, worker)
            if len(self.messages) == before and self._states() == states:
                return

    def look(self, worker: ModelWorker) -> None:
        """It looks at every open deploy, and tells what is to be done."""
        for deploy in self.open_deploys():
            self._as(worker, lambda pk=deploy.pk: engine.advance(pk, offer=self._offer))  # type: ignore[misc]

    def _states(self) -> list[tuple[int, str]]:
        return [(deploy.pk, deploy.status) for deploy in self.open_deploys()]

    def contest_switch(self) -> None:
        """A worker gets the message to switch a wave of which another has just claimed one host: none gets the word."""
        one, other = self.awake()[:2]
        before = len(self.messages)
        self.look(one)
        for deploy_id, work, run_ids in self.messages[before:]:
            if work != "switch" or len(run_ids) < 2:
                continue
            deploy = Deploy.objects.get(pk=deploy_id)
            words = sum(deploy.key in host.told for host in self.hosts.values())
            taken = claims.take(other.worker, deploy, run_ids[:1])
            self.deliver((deploy_id, work, run_ids), one)
            after = sum(deploy.key in host.told for host in self.hosts.values())
            assert not taken or after == words, f"{deploy}: a part of its wave got the word, while another had a claim"
            claims.let_go(taken)

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
            "take one": self.take_one,
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
        asked.update(cancelled_at=real_now() - timedelta(seconds=engine.CANCEL_SECONDS + 2))
        self.work(3)

    def take_one(self) -> None:
        """A worker claims one host of a wave that is to switch, and lets it go again."""
        for deploy in self.open_deploys():
            ready = deploy.runs.filter(status=RunStatus.PREPARED).order_by("pk").values_list("pk", flat=True)
            claims.let_go(claims.take(self.awake()[0].worker, deploy, list(ready[:1])))

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
