"""What is deployed in tests of the engine, and to what: a running demo fleet, a git repository, targets on it."""

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

from deployments import batches, engine, plan
from deployments.models import Deploy
from deployments.runtime import Runtime
from deployments.states import FINAL
from environments.demo.fleet_file import FleetHost
from environments.demo.layout import DemoFolder
from environments.models import (
    Application,
    Environment,
    Host,
    HostKey,
    KeyPair,
    Membership,
    Region,
    Step,
    Target,
    User,
    Zone,
)
from environments.sealed import seal
from tests.patience import eventually as eventually
from tests.ports import closed_port as closed_port
from tests.repository import Repository

_serial = itertools.count(1)


@dataclass(frozen=True)
class Fleet:
    """The running demo hosts, and the key pair that they let in."""

    demo: DemoFolder
    hosts: tuple[FleetHost, ...]
    public: str
    private: str


def hosts_that_nobody_runs(count: int) -> tuple[FleetHost, ...]:
    """For tests that reach no host: names and places, at an address where nothing listens."""
    return tuple(
        FleetHost(
            name=f"web-{n:02d}",
            address="127.0.0.1",
            port=1,
            host_key="ssh-ed25519 AAAA",
            region="eu-west",
            zone=f"eu-west-{'ab'[n % 2]}",
            environment="staging",
            folder="/nonexistent",
            application_ports={},
        )
        for n in range(1, count + 1)
    )


def step(name: str, command: str, phase: str = "prepare", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": command, "phase": phase, **fields}


@dataclass
class FleetTarget:
    """A target on hosts of the fleet, with a view of what lies on them."""

    target: Target
    by: User
    repository: Repository
    homes: dict[str, Path]

    def root(self, host: str) -> Path:
        return self.homes[host] / self.target.root.removeprefix("~/")

    def roots(self) -> list[Path]:
        return [self.root(name) for name in self.homes]

    def current(self) -> dict[str, str]:
        """The release that `current` is on each host."""
        return {name: os.readlink(self.root(name) / "current").removeprefix("releases/") for name in self.homes}

    def read(self, host: str, name: str) -> str:
        return (self.root(host) / name).read_text()


def make_target_on(
    fleet: Fleet,
    repository: Repository,
    *,
    hosts: int = 2,
    distribution: str = "archive",
    steps: Sequence[Mapping[str, Any]] = (),
    roles: Mapping[int, list[str]] | None = None,
    **fields: Any,
) -> FleetTarget:
    """`roles`: by the host's place in the list. Other fields are the target's own."""
    serial = next(_serial)
    if not KeyPair.objects.filter(active=True).exists():
        KeyPair.objects.create(public=fleet.public, private=seal(fleet.private))
    application = Application.objects.create(
        name=f"shop-{serial}", repository=repository.url, distribution=distribution
    )
    environment = Environment.objects.create(name=f"staging-{serial}")
    target = Target.objects.create(
        **{"application": application, "environment": environment, "root": f"~/t{serial}", **fields}
    )
    for position, facts in enumerate(steps):
        made = Step(target=target, position=position, **{"silence_limit": facts.get("time_limit", 300), **facts})
        made.full_clean()
        made.save()
    chosen = fleet.hosts[:hosts]
    for place, row in enumerate(chosen):
        Membership.objects.create(
            environment=environment, host=make_fleet_host(row), roles=(roles or {}).get(place, [])
        )
    by, _ = User.objects.get_or_create(username="ada", defaults={"first_name": "Ada", "role": "deployer"})
    return FleetTarget(target, by, repository, {row.name: Path(row.folder) for row in chosen})


def make_fleet_host(row: FleetHost, *, accepted: bool = True) -> Host:
    """The host in the database, with its key accepted unless told otherwise."""
    region, _ = Region.objects.get_or_create(name=row.region)
    zone, _ = Zone.objects.get_or_create(region=region, name=row.zone)
    host, made = Host.objects.get_or_create(
        name=row.name, defaults={"address": row.address, "port": row.port, "zone": zone}
    )
    if made and accepted:
        algorithm, key = row.host_key.split()[:2]
        HostKey.objects.create(host=host, algorithm=algorithm, key=key, accepted_by="ada")
    return host


class Died(BaseException):
    """The end of a worker: nothing catches it."""


@dataclass
class Driver:
    """Does a worker's work in this process: the same calls, without messages."""

    runtime: Runtime = field(default_factory=Runtime)
    batches: list[tuple[str, int]] = field(default_factory=list)

    def start(self) -> None:
        self.runtime.start(lambda: None)

    def advance(self, deploy: Deploy) -> bool:
        """One round; whether the deploy is over."""
        engine.advance(deploy.pk, offer=self._do)
        deploy.refresh_from_db()
        return deploy.status in FINAL

    def run_to_end(self, deploy: Deploy, seconds: float = 120) -> Deploy:
        eventually(lambda: self.advance(deploy), seconds, f"the end of {deploy}")
        return deploy

    def _do(self, deploy_id: int, do: plan.Do) -> None:
        self.batches.append((do.work, len(do.runs)))
        batches.run_batch(deploy_id, do.work, do.runs, runtime=self.runtime)

    @contextmanager
    def running(self, deploy: Deploy, seconds: float = 120) -> Iterator[None]:
        """Run to the end in a thread, while the body of the block does something to the deploy."""
        with self.working(lambda: self.run_to_end(Deploy.objects.get(pk=deploy.pk), seconds)):
            yield
        deploy.refresh_from_db()

    @contextmanager
    def working(self, act: Callable[[], object]) -> Iterator[None]:
        """Do something in a thread while the body of the block runs; what goes wrong in it fails the test."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if failures:
            raise failures[0]

    def end(self) -> None:
        self.runtime.end()
        self.runtime.pool.shutdown()


def remove_roots(places: Sequence[FleetTarget]) -> None:
    for place in places:
        for root in place.roots():
            shutil.rmtree(root, ignore_errors=True)
