"""A whole Deployer in a temporary folder, for as long as a measurement takes."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120


@dataclass(frozen=True)
class Installation:
    """Where it answers, and a machine's token for it."""

    url: str
    var: Path
    environ: dict[str, str]
    token: str

    @property
    def hosts(self) -> Path:
        """The demo hosts' folders."""
        return self.var / "demo" / "hosts"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The API's answer as JSON. Raises HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with urlopen(Request(f"{self.url}/api/v1{path}", data, headers, method=method), timeout=30) as answer:
            return json.load(answer)

    def manage(self, *arguments: str, text: str = "") -> str:
        """What a management command prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environ, input=text, capture_output=True, text=True, check=True
        )
        return done.stdout

    def new_token(self, username: str) -> str:
        return self.manage("token", username, "--machine").split()[-1]

    def deploy(self, target: str, ref: str = "main") -> dict[str, Any]:
        """Deploy and wait for the end."""
        deploy = self.call("POST", f"/targets/{target}/deploys", {"ref": ref})
        return self.final(deploy["id"])

    def final(self, deploy_id: int, *, every: float = 0.05) -> dict[str, Any]:
        """Asks every so many seconds, which takes processor time from what is measured."""
        while True:
            deploy: dict[str, Any] = self.call("GET", f"/deploys/{deploy_id}")
            if deploy["finished_at"]:
                return deploy
            time.sleep(every)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def demo() -> Iterator[Installation]:
    """`manage.py up` with the demo, ready; ended and removed afterwards."""
    with running({"DEMO": "1"}, list) as bare:
        people = (bare.var / "demo-users.txt").read_text().split()
        yield replace(bare, token=bare.new_token(people[people.index("administrator") - 2]))


@contextmanager
def running(more: dict[str, str], enter: Callable[[Sequence[str]], list[str]]) -> Iterator[Installation]:
    """`manage.py up` with these settings, ready; nobody has a token yet. `enter` may put a command around it."""
    with tempfile.TemporaryDirectory(prefix="deployer-bench-") as folder:
        port = _free_port()
        environ = {**os.environ, "VAR": folder, "PORT": str(port), **more}
        log = Path(folder) / "up.log"
        with log.open("w") as output:
            up = subprocess.Popen(
                enter([sys.executable, "manage.py", "up"]),
                cwd=ROOT,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://localhost:{port}"
            _wait_until_ready(url, up, log)
            yield Installation(url, Path(folder), environ, "")
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(30)


def _wait_until_ready(url: str, up: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up and up.poll() is None:
        try:
            with urlopen(f"{url}/readyz", timeout=5):
                return
        except (HTTPError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"The Deployer did not become ready:\n{log.read_text()[-4000:]}")
