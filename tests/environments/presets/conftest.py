"""A host's folder with a release in it, where the commands of presets run as a step would run them."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from environments.presets import PRESETS
from tests.deployments.host_program.hosts import make_tools
from tests.deployments.host_program.looking import processes_with

RECORDER = """#!/bin/sh
[ $# -eq 0 ] || printf '%s\\n' "$@" >>'{calls}'
echo -- >>'{calls}'
printf '%s' '{says}'
exit {code}
"""


@dataclass
class Bench:
    """`path`: where the tools are, from `make_tools`, which says what dash, busybox and perl mean."""

    folder: Path
    path: str
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (self.own, self.release, self.shared):
            path.mkdir(parents=True)
        self.current.symlink_to(self.release)
        self.environment |= {
            "PATH": f"{self.own}:{self.path}",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "DEPLOYER_ROOT": str(self.root),
            "DEPLOYER_RELEASE": self.release.name,
            "DEPLOYER_RELEASE_PATH": str(self.release),
            "DEPLOYER_CURRENT_PATH": str(self.current),
            "DEPLOYER_SHARED_PATH": str(self.shared),
        }

    @property
    def own(self) -> Path:
        return self.folder / "own"

    @property
    def root(self) -> Path:
        return self.folder / "srv it's"

    @property
    def release(self) -> Path:
        return self.root / "releases" / "20260101000000-aaaaaaa"

    @property
    def shared(self) -> Path:
        return self.root / "shared"

    @property
    def current(self) -> Path:
        return self.root / "current"

    def write(self, name: str, text: str) -> Path:
        """A file of the release."""
        path = self.release / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def sh(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(self.path.partition(":")[0]) / "sh", "-c", text], cwd=self.release, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip

    def run(self, preset: str, **parameters: object) -> str:
        """All commands of the preset; what they said. Each must go well."""
        said = ""
        for command in PRESETS[preset].make(parameters).commands():
            done = self.sh(command.text)
            assert done.returncode == 0, done.stdout
            said += done.stdout
        return said

    def fail(self, preset: str, **parameters: object) -> str:
        """What the first command said that did not go well."""
        for command in PRESETS[preset].make(parameters).commands():
            done = self.sh(command.text)
            if done.returncode:
                return done.stdout
        raise AssertionError("Every command went well.")

    def record(self, program: str, *, code: int = 0, says: str = "") -> None:
        """Puts a program into PATH that writes its arguments down."""
        path = self.own / program
        path.write_text(RECORDER.format(calls=self.folder / f"{program}.calls", code=code, says=says))
        path.chmod(0o755)

    def recorded(self, program: str) -> list[list[str]]:
        text = (self.folder / f"{program}.calls").read_text()
        return [call.splitlines() for call in text.split("--\n")[:-1]]


MakeBench = Callable[[str], Bench]


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tools of each kind of host."""
    folder = tmp_path_factory.mktemp("tools")
    return {kind: make_tools(folder / kind, kind) for kind in ("dash", "busybox", "perl")}


@pytest.fixture
def make_bench(tmp_path: Path, paths: dict[str, str]) -> Iterator[MakeBench]:
    yield lambda kind: Bench(tmp_path / kind, paths[kind])
    for line in processes_with(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


@pytest.fixture(params=["dash", "busybox"])
def bench(request: pytest.FixtureRequest, make_bench: MakeBench) -> Bench:
    return make_bench(request.param)


@pytest.fixture(params=["dash", "busybox", "perl"])
def any_bench(request: pytest.FixtureRequest, make_bench: MakeBench) -> Bench:
    return make_bench(request.param)


@dataclass
class Web:
    """A web server: the statuses that it gives for a path, one after the other, and what it was asked."""

    port: int = 0
    statuses: dict[str, list[int]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    on_request: Callable[[str], int] | None = None

    def status_of(self, path: str) -> int:
        if self.on_request:
            return self.on_request(path)
        rest = self.statuses.get(path, [404])
        return rest.pop(0) if len(rest) > 1 else rest[0]


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers["Host"]))
            status = found.status_of(self.path)
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "/elsewhere")
            body = b"" if status == 204 else b"hello\n"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
