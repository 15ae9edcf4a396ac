"""A whole Deployer, started as its users start it, in a folder and on a port of its own."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.patience import Wait
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS, STOP_SECONDS = 300.0, 60.0


def environment(folder: Path, port: int, **settings: str) -> dict[str, str]:
    """As a shell has it: nothing of the tests' own settings."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, "VAR": str(folder), "PORT": str(port), "DEMO": "0", **settings}


def processes() -> dict[int, tuple[int, str]]:
    """Every process that is no zombie: its parent and its command line."""
    listed = subprocess.run(["ps", "-ww", "-axo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    return {int(row[0]): (int(row[1]), row[3]) for row in rows if len(row) == 4 and not row[2].startswith("Z")}


def descendants(parent: int) -> dict[int, str]:
    table = processes()
    found: dict[int, str] = {}
    queue = [parent]
    while queue:
        current = queue.pop()
        children = {pid: command for pid, (above, command) in table.items() if above == current}
        found |= children
        queue += children
    return found


class Copy:
    """`migrated`: the database that it begins with, instead of making one."""

    def __init__(
        self, folder: Path, *, eventually: Wait, port: int = 0, migrated: Path | None = None, **settings: str
    ) -> None:
        self.folder, self.port = folder, port or free_port()
        if migrated:
            folder.mkdir()
            shutil.copyfile(migrated, folder / "deployer.sqlite3")
        self._eventually = eventually
        self._output = folder.with_name(f"{folder.name}-{self.port}.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up"],
            env=environment(folder, self.port, **settings),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd="/",
        )

    @property
    def printed(self) -> str:
        return Path(self._output.name).read_text(encoding="utf-8")

    def wait_until_ready(self) -> "Copy":
        self._eventually(lambda: "is ready" in self.printed or self.process.poll() is not None, START_SECONDS)
        assert self.process.poll() is None, self.printed
        return self

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, {name.lower(): text for name, text in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {name.lower(): text for name, text in error.headers.items()}, error.read()

    def children(self, word: str = "") -> dict[int, str]:
        return {pid: command for pid, command in descendants(self.process.pid).items() if word in command}

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """End it, whatever state it is in; the watcher ends its processes."""
        self.process.kill()
        self.process.wait()
        self._output.close()
