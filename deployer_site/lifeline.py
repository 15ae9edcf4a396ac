"""Starting processes that cannot outlive us, on Linux and macOS alike.

A process first waits behind a gate (a shell that reads one word), is then made known to the watcher, and only then
becomes the program that it is to be. So there is no moment in which our death leaves it behind.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deployer_site import watcher

GATE = 'read -r word || exit 125; exec "$@" </dev/null'


def behind_gate(command: Sequence[str]) -> list[str]:
    """`command`, which starts when a line arrives on its standard input and never when the input just ends."""
    return ["/bin/sh", "-c", GATE, "gate", *command]


class Lifeline:
    """The pipe to the watcher: when we end, however that is, the watcher reads its end and ends our processes."""

    def __init__(self, *, lock: int | None = None) -> None:
        self._lock = lock
        self._groups: set[int] = set()
        self._watcher = self._start_watcher()

    def _start_watcher(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(watcher.__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if self._lock is None else (self._lock,),
        )

    @property
    def watcher_pid(self) -> int:
        return self._watcher.pid

    def _tell(self, line: str) -> None:
        assert self._watcher.stdin is not None
        try:
            self._watcher.stdin.write(line.encode("ascii"))
            self._watcher.stdin.flush()
        except BrokenPipeError:
            self.renew()

    def watch(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def renew(self) -> bool:
        """Start the watcher again if it died; whether it had."""
        if self._watcher.poll() is None:
            return False
        self._close_pipe()
        self._watcher = self._start_watcher()
        for group in sorted(self._groups):
            self._tell(f"+{group}\n")
        return True

    def _close_pipe(self) -> None:
        assert self._watcher.stdin is not None
        try:
            self._watcher.stdin.close()
        except BrokenPipeError:
            return

    def close(self) -> None:
        """End what is still watched and wait until it is gone."""
        self._close_pipe()
        self._watcher.wait()
