"""Processes that tests start: none is left behind, whatever happens to the tests."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployer_site.lifeline import Lifeline, behind_gate

STOP_SECONDS = 20.0


def nap(number: int) -> str:
    """A command that sleeps for years and is like no other on this machine: the same tests may run beside these."""
    return f"sleep 1{os.getpid():07d}{number:02d}"


class Processes:
    def __init__(self) -> None:
        self._lifeline = Lifeline()
        self._children: list[subprocess.Popen[bytes]] = []

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own; its output goes where that of the tests goes."""
        child = subprocess.Popen(behind_gate(command), stdin=subprocess.PIPE, start_new_session=True, env=env, cwd=cwd)
        self._lifeline.watch(child.pid)
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.close()
        self._children.append(child)
        return child

    def stop(self) -> None:
        for child in self._children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            self._lifeline.forget(child.pid)
        self._lifeline.close()
