"""Real worker processes, on the database and the hosts of the tests."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from django.conf import settings

from deployer_site.programs import worker
from deployments.models import HostRun, Worker
from tests.deployments.fleet import eventually
from tests.deployments.web import database_url
from tests.processes import Processes

START_SECONDS = 120.0


@dataclass
class RunningWorker:
    child: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.child.pid

    def row(self) -> Worker | None:
        return Worker.objects.filter(name__endswith=f":{self.pid}").first()

    def has_row(self) -> bool:
        """Asked without columns that another version may not have."""
        return Worker.objects.filter(name__endswith=f":{self.pid}").exists()

    def runs(self) -> list[HostRun]:
        """What it has claimed."""
        row = self.row()
        return list(HostRun.objects.filter(claimed_by=row)) if row else []

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        """All of its threads rest when this returns; a signal alone may still be on its way."""
        self.signal(signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def kill(self) -> None:
        if self.child.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()


StartWorkers = Callable[..., list[RunningWorker]]


def environment_of_workers(repositories: Path, redis_url: str, **more: str) -> dict[str, str]:
    """On the database of the test that runs now."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "deployer_site.settings",
        "VAR": str(settings.VAR),
        "DATABASE_URL": database_url(),
        "REDIS_URL": redis_url,
        "REPOSITORY_ROOTS": str(repositories),
        "DEMO": "0",
        "LOG_LEVEL": "INFO",
        **more,
    }


def start_workers(
    processes: Processes,
    repositories: Path,
    count: int,
    redis_url: str,
    *,
    empty: bool = True,
    folder: Path | None = None,
    **more: str,
) -> list[RunningWorker]:
    """Workers that are ready: each has its row.

    `empty`: the broker forgets all rings first; `folder`: of another version's code; `more`: environment.
    """
    if empty:
        eventually(lambda: _emptied(redis_url), what="the broker")
    env = environment_of_workers(repositories, redis_url, **more)
    started = [
        RunningWorker(processes.start(worker(number).command, env=env, cwd=folder)) for number in range(1, count + 1)
    ]
    for one in started:
        eventually(one.has_row, START_SECONDS, "the worker's row")
    return started


def _emptied(redis_url: str) -> bool:
    """Without the rings of other tests' deploys."""
    client = redis.Redis.from_url(redis_url)
    try:
        return bool(client.flushdb())
    except redis.ConnectionError:
        return False
    finally:
        client.close()


def killed_afterwards(start: StartWorkers) -> Iterator[StartWorkers]:
    """A fixture's body: what the test has started does not outlive it."""
    all_started: list[RunningWorker] = []

    def started(count: int, **facts: Any) -> list[RunningWorker]:
        new = start(count, **facts)
        all_started.extend(new)
        return new

    yield started
    for one in all_started:
        one.kill()
