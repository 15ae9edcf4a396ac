"""The service manager of the demo's hosts: services are children of the fleet, not of the session that started them."""

import asyncio
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from environments.demo.guard import marked_processes
from environments.demo.repositories import SOURCES, STOREFRONT
from tests.environments.demo_fleet import Result, RunningFleet, a_fleet, enabled, lay_out_service
from tests.patience import PATIENCE, eventually

KEY = asyncssh.generate_private_key("ssh-ed25519")
SERVE = (SOURCES[STOREFRONT].folder / "serve.py").read_text()
CRASH = "import sys; sys.exit('no database at db.example')"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RunningFleet]:
    with a_fleet(tmp_path / "demo", KEY) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    """One fleet for all tests that leave it as it was."""
    with a_fleet(tmp_path_factory.mktemp("lasting") / "demo", KEY) as running:
        yield running


@pytest.fixture
def port(fleet: RunningFleet) -> int:
    return fleet.host().application_ports["storefront"]


def restart(fleet: RunningFleet, root: Path, port: int) -> Result:
    command = f"DEPLOYER_ROOT={root} DEPLOYER_PORT={port} demo-service restart shop"
    return asyncio.run(fleet.run(command))


def page(port: int, path: str = "/version") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return str(answer.read().decode())


def test_a_service_outlives_the_session_and_comes_back_with_the_fleet(fleet: RunningFleet, port: int) -> None:
    root = lay_out_service(fleet, SERVE)
    done = restart(fleet, root, port)
    assert done.status == 0, done.stderr
    assert b"shop runs on eu-west-a-01: port" in done.stdout
    assert '"host": "eu-west-a-01"' in page(port)
    assert enabled(fleet) == {"shop": {"root": str(root), "port": port}}
    fleet.stop()
    with pytest.raises(urllib.error.URLError):
        page(port)
    with a_fleet(fleet.demo.path, KEY):
        eventually(lambda: _answers(port), what="the service runs again")


def test_a_restart_serves_what_current_is_now(fleet: RunningFleet, port: int) -> None:
    root = lay_out_service(fleet, SERVE)
    (root / "current" / "REVISION").write_text("1" * 40)
    restart(fleet, root, port)
    assert "1" * 40 in page(port)
    newer = root / "releases" / "20260102000000-2222222"
    newer.mkdir()
    (newer / "serve.py").write_text(SERVE)
    (newer / "REVISION").write_text("2" * 40)
    (root / "new").symlink_to(newer)
    os.replace(root / "new", root / "current")
    assert "1" * 40 in page(port)
    assert restart(fleet, root, port).status == 0
    assert "2" * 40 in page(port)


def test_a_service_that_does_not_come_up_says_why(fleet: RunningFleet, port: int) -> None:
    done = restart(fleet, lay_out_service(fleet, CRASH), port)
    text = done.complaint
    assert done.status == 1
    assert f"shop ended with status 1 instead of listening on port {port}" in text
    assert "no database at db.example" in text


def test_a_port_that_somebody_else_has_is_refused(fleet: RunningFleet, port: int) -> None:
    root = lay_out_service(fleet, SERVE)
    with socket.create_server(("127.0.0.1", port)):
        done = restart(fleet, root, port)
    assert done.status == 1
    assert f"Port {port} of eu-west-a-01 is used by another program" in done.complaint


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("demo-service restart shop --port 20999", "No folder is given"),
        ("demo-service restart shop --root /tmp/nothing-here --port 80", "80 is no port for a service"),
        ("demo-service restart shop --root /tmp/nothing-here --port 20999", "serve.py does not exist"),
        ("demo-service status shop", "shop does not run on eu-west-a-01"),
    ],
)
def test_a_wrong_call_is_answered_clearly(lasting_fleet: RunningFleet, command: str, text: str) -> None:
    done = asyncio.run(lasting_fleet.run(command))
    assert done.status == 1
    assert text in done.complaint


def test_a_service_that_dies_is_started_again(fleet: RunningFleet, port: int) -> None:
    restart(fleet, lay_out_service(fleet, SERVE), port)
    pid = process_of(fleet)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: process_of(fleet) not in (0, pid) and _answers(port), what="it is back")


def process_of(fleet: RunningFleet) -> int:
    """Of the service; 0 while none runs."""
    said = asyncio.run(fleet.run("demo-service status shop")).stdout.decode()
    return int(said.rpartition("process ")[2].rstrip(".\n") or 0)


def test_a_stopped_service_stays_stopped(fleet: RunningFleet, port: int) -> None:
    restart(fleet, lay_out_service(fleet, SERVE), port)
    assert fleet.text("demo-service stop shop") == "shop is stopped on eu-west-a-01."
    assert not _answers(port)
    assert enabled(fleet) == {}


def test_kill_minus_nine_of_the_fleet_ends_services_too(fleet: RunningFleet, port: int) -> None:
    restart(fleet, lay_out_service(fleet, SERVE), port)
    fleet.process.kill()
    fleet.process.wait(PATIENCE)
    eventually(lambda: not list(marked_processes(fleet.demo.marker)), what="no process of a host is left")
    assert not _answers(port)


def _answers(port: int) -> bool:
    try:
        page(port)
    except (OSError, urllib.error.URLError):
        return False
    return True
