"""A real demo fleet in a temporary folder, and a client of its own to log in with."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from environments.demo.fleet_file import FleetHost, read_fleet
from environments.demo.layout import DemoFolder
from tests.patience import PATIENCE, eventually

REPOSITORY = Path(__file__).parents[2]
FIRST = "eu-west-a-01"
_SETTINGS = {"DEMO": "1", "DJANGO_SETTINGS_MODULE": "deployer_site.settings"}


@dataclass(frozen=True)
class Result:
    """How a command ended: its status (-1 when a signal ended it, then named) and what it wrote."""

    status: int | None
    signal: str
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        return self.stderr.decode()


@dataclass
class RunningFleet:
    demo: DemoFolder
    process: "subprocess.Popen[bytes]"
    key: asyncssh.SSHKey
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def host(self, name: str = FIRST) -> FleetHost:
        fleet = read_fleet(self.demo)
        assert fleet is not None
        return fleet.hosts[name]

    @asynccontextmanager
    async def connect(
        self, name: str = FIRST, key: asyncssh.SSHKey | None = None
    ) -> AsyncIterator[asyncssh.SSHClientConnection]:
        host = self.host(name)
        known = asyncssh.import_known_hosts(f"[{host.address}]:{host.port} {host.host_key}\n")
        async with asyncssh.connect(
            host.address, host.port, username="deploy", client_keys=[key or self.key], agent_path=None, config=None,
            known_hosts=known,
        ) as connection:  # fmt: skip
            yield connection

    async def run(self, command: str, *, stdin: bytes = b"", name: str = FIRST) -> Result:
        async with self.connect(name) as connection:
            done = await connection.run(command, input=stdin, encoding=None)
        assert isinstance(done.stdout, bytes)
        assert isinstance(done.stderr, bytes)
        return Result(done.exit_status, done.exit_signal[0] if done.exit_signal else "", done.stdout, done.stderr)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def text(self, command: str, name: str = FIRST) -> str:
        done = asyncio.run(self.run(command, name=name))
        assert done.status == 0, done.stderr
        return done.stdout.decode().strip()


def start_fleet(folder: Path, key: asyncssh.SSHKey, command: tuple[str, ...] = ()) -> RunningFleet:
    demo = DemoFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    demo.authorized_keys.write_text(key.export_public_key().decode())
    log = folder.parent / "fleet.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command or (sys.executable, "-m", "environments.demo", str(folder)), cwd=REPOSITORY,
            stdout=output, stderr=output, env=os.environ | _SETTINGS | {"VAR": str(folder.parent)},
        )  # fmt: skip
    fleet = RunningFleet(demo, process, key, log)
    try:
        eventually(lambda: _listens(fleet), what="that the fleet listens")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return fleet


@contextmanager
def a_fleet(folder: Path, key: asyncssh.SSHKey, command: tuple[str, ...] = ()) -> Iterator[RunningFleet]:
    fleet = start_fleet(folder, key, command)
    try:
        yield fleet
    finally:
        fleet.stop()
        assert "Traceback" not in fleet.said


def _listens(fleet: RunningFleet) -> bool:
    assert fleet.process.poll() is None, fleet.said
    now = read_fleet(fleet.demo)
    return now is not None and now.pid == fleet.process.pid


def lay_out_service(fleet: RunningFleet, program: str, name: str = FIRST) -> Path:
    """A release with a `serve.py` in the host's home, live as `current`."""
    root = fleet.demo.home(name) / "srv" / "shop"
    release = root / "releases" / "20260101000000-abcdef0"
    release.mkdir(parents=True, exist_ok=True)
    (release / "serve.py").write_text(program)
    if not (root / "current").is_symlink():
        (root / "current").symlink_to("releases/20260101000000-abcdef0")
    return root


def enabled(fleet: RunningFleet, name: str = FIRST) -> dict[str, object]:
    rows: dict[str, object] = json.loads((fleet.demo.host(name) / "services.json").read_text())
    return rows
