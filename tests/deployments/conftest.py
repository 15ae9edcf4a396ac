"""Fixtures for tests of the engine: the fleet runs once for all of them, each test has targets of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from pytest_django import Settings

from environments import ssh
from environments.demo.fleet_file import read_fleet
from environments.demo.layout import DemoFolder
from environments.models import User
from tests.deployments.fleet import (
    Driver,
    Fleet,
    FleetTarget,
    eventually,
    hosts_that_nobody_runs,
    make_target_on,
    remove_roots,
)
from tests.processes import Processes
from tests.repository import Repository


class MakeFleetTarget(Protocol):
    def __call__(self, **facts: Any) -> FleetTarget: ...


@pytest.fixture(scope="session")
def fleet(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """18 SSH hosts, as the demo has them."""
    folder = tmp_path_factory.mktemp("fleet")
    demo = DemoFolder(folder / "demo")
    demo.path.mkdir()
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    demo.authorized_keys.write_text(public)
    child = processes.start([sys.executable, "-m", "environments.demo", str(demo.path)])

    def listens() -> bool:
        assert child.poll() is None, "The fleet has ended."
        return read_fleet(demo) is not None

    eventually(listens, what="the fleet's start")
    known = read_fleet(demo)
    assert known is not None
    return Fleet(demo, tuple(known.hosts.values()), public.strip(), key.read_text())


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repositories")


@pytest.fixture(scope="session")
def shop(repositories: Path) -> Repository:
    """A small application; `main` has two commits, `v1` is a tag on the first."""
    folder = repositories / "shop"
    folder.mkdir()
    repository = Repository(folder)
    repository.commit({"index.html": "<h1>one</h1>\n", "bin/serve.sh": "#!/bin/sh\n", "latest": "-> index.html"})
    repository.git("tag", "-a", "v1", "-m", "first")
    repository.commit({"index.html": "<h1>two</h1>\n"})
    return repository


@pytest.fixture
def make_fleet_target(
    fleet: Fleet, shop: Repository, repositories: Path, settings: Settings, transactional_db: None
) -> Iterator[MakeFleetTarget]:
    """Targets on hosts of the fleet; their folders there are removed afterwards."""
    settings.REPOSITORY_ROOTS = [repositories]
    made: list[FleetTarget] = []

    def make(**facts: Any) -> FleetTarget:
        place = make_target_on(fleet, facts.pop("repository", shop), **facts)
        made.append(place)
        return place

    yield make
    ssh.close_idle(-1)
    remove_roots(made)


@pytest.fixture
def make_place(shop: Repository, repositories: Path, settings: Settings, db: None) -> MakeFleetTarget:
    """Targets whose hosts nobody runs: for what is decided in the database alone."""
    settings.REPOSITORY_ROOTS = [repositories]
    nobody = Fleet(DemoFolder(repositories), hosts_that_nobody_runs(12), "ssh-ed25519 AAAA", "")

    def make(**facts: Any) -> FleetTarget:
        return make_target_on(nobody, facts.pop("repository", shop), **facts)

    return make


@pytest.fixture
def place(make_place: MakeFleetTarget) -> FleetTarget:
    return make_place(hosts=3)


@pytest.fixture
def viewer(db: None) -> User:
    return User.objects.create_user("vera", role="viewer")


def _drivers() -> Iterator[Driver]:
    made = Driver()
    made.start()
    yield made
    made.end()


@pytest.fixture
def driver(transactional_db: None, valkey: str) -> Iterator[Driver]:
    """A worker's work, done in this process."""
    yield from _drivers()


@pytest.fixture
def other_driver(transactional_db: None, valkey: str) -> Iterator[Driver]:
    yield from _drivers()
