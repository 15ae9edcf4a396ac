"""Workers on the database of a test, the targets that they deploy to, and how long they may take."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.models import Deploy
from deployments.states import FINAL
from tests.chaos.counted import COUNTED_STEPS
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget
from tests.deployments.workers import RunningWorker, start_workers
from tests.patience import within
from tests.processes import Processes

FINAL_SECONDS = 45.0


def runs_of(default: int) -> int:
    """How often a row's fault is made: as in the table, or CHAOS_RUNS times."""
    return int(os.environ.get("CHAOS_RUNS") or default)


@dataclass
class Cluster:
    processes: Processes
    repositories: Path
    make: MakeFleetTarget
    redis_url: str
    workers: list[RunningWorker] = field(default_factory=list)

    def start(self, count: int = 2, **more: Any) -> list[RunningWorker]:
        facts = {"redis_url": self.redis_url, "empty": not self.workers, **more}
        new = start_workers(self.processes, self.repositories, count, **facts)
        self.workers += new
        return new

    def kill(self, worker: RunningWorker) -> None:
        worker.kill()
        self.workers.remove(worker)

    def kill_all(self) -> None:
        for worker in [*self.workers]:
            self.kill(worker)

    def places(self, count: int, *, hosts: int = 3, **facts: Any) -> list[FleetTarget]:
        return [self.make(**{"hosts": hosts, "steps": COUNTED_STEPS, **facts}) for _ in range(count)]


def over(deploy: Deploy) -> bool:
    deploy.refresh_from_db()
    return deploy.status in FINAL


def await_ends(deploys: list[Deploy], seconds: float = FINAL_SECONDS) -> None:
    within(lambda: all(over(deploy) for deploy in deploys), seconds, f"the end of {deploys}")


def warm_up(places: list[FleetTarget]) -> None:
    """A first deploy of each, so that what is measured afterwards is no first time."""
    await_ends([request(place, "v1") for place in places], 180)
