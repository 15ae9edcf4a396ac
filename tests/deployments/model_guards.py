"""What must be true at the very moment of a claim and of the word to switch, asked of the rows and not of the verbs."""

from collections.abc import Callable, Sequence
from typing import Any

from deployments.models import Deploy, HostRun, Worker
from deployments.states import DeployStatus

CLAIM_SECONDS = 8.0  # what docs/architecture.md promises a living worker


class Guards:
    """`tell` hears what was wrong: whoever calls the guarded verb may take any error for one of a host."""

    def __init__(self, now: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._now, self._tell = now, tell
        self._fence = 0

    def take(self, act: Callable[..., list[HostRun]]) -> Callable[..., list[HostRun]]:
        """Nobody takes what a living worker holds, and every claim has a fence above all earlier ones."""

        def guarded(worker: Worker, deploy: Deploy, run_ids: Sequence[int]) -> list[HostRun]:
            holders = dict(HostRun.objects.filter(deploy=deploy).values_list("pk", "claimed_by"))
            renewed = dict(Worker.objects.exclude(pk=worker.pk).values_list("pk", "renewed_at"))
            taken = act(worker, deploy, run_ids)
            for run in taken:
                seconds = self._now() - renewed.get(holders[run.pk], float("-inf"))
                if seconds < CLAIM_SECONDS:
                    self._tell(f"{run.host_name} was taken from a worker that was heard {seconds} s ago")
            if taken and min(run.fence for run in taken) <= self._fence:
                self._tell(f"fence {taken[0].fence} was given again, or after {self._fence}")
            self._fence = max([self._fence, *(run.fence for run in taken)])
            return taken

        return guarded

    def may_flip(self, act: Callable[..., bool]) -> Callable[..., bool]:
        """A yes means: it runs, was told to go live, and every claim that is to switch still holds."""

        def guarded(deploy: Deploy, items: list[Any], ready: list[Any]) -> bool:
            answer = act(deploy, items, ready)
            if answer:
                status, held = Deploy.objects.values_list("status", "held").get(pk=deploy.pk)
                if status != DeployStatus.RUNNING or held:
                    self._tell(f"{deploy} is {status}{' and held' if held else ''}, and its hosts get the word")
                for item in items:
                    self._check_claim(item.run)
            return answer

        return guarded

    def begin_switch(self, act: Callable[..., bool]) -> Callable[..., bool]:
        """A yes means the same once more: nothing comes between this and the word."""

        def guarded(rows: Sequence[tuple[HostRun, str]]) -> bool:
            answer = act(rows)
            for run, _ in rows if answer else ():
                self._check_claim(run)
            return answer

        return guarded

    def _check_claim(self, run: HostRun) -> None:
        holds = HostRun.objects.values_list("claimed_by", "fence").get(pk=run.pk)
        if holds != (run.claimed_by_id, run.fence):
            self._tell(f"{run.host_name} gets the word by a claim that is lost: {holds}, not fence {run.fence}")
