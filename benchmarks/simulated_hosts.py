"""Hosts that exist in a program alone: they speak the protocol of host programs, and run nothing.

What is sent and received is what SSH would carry (docs/host.md): the program's text, the archive when it is asked for,
marks, output. `SIMULATED_SECONDS` in the environment is how long each program takes.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from environments.models import Host

SECONDS = float(os.environ.get("SIMULATED_SECONDS", "0"))
LINES = 3  # of output per program
# root target name fence offset nonce sha256 size umask, and other archives: sha256 size base sha256 size
_START_ARGUMENTS = 14
_FROM_THE_START = 2  # the line that says from which byte on the archive comes
_SWITCH_ARGUMENTS = 11  # root target name fence nonce release revision number by seconds quiet


class Channel:
    """One program on one host; what it says next lies ready at a time."""

    def __init__(self, command: str) -> None:
        self._said = b""
        self._ready_at = 0.0
        self._ended = False
        self._switch = "-switch-" in command[-700:]
        if not self._switch and "-prepare-" not in command[-700:] and "-finish-" not in command[-700:]:
            raise NotImplementedError(f"Simulated hosts know no such program: {command[-100:]}")
        words = command.rsplit(" ", _SWITCH_ARGUMENTS if self._switch else _START_ARGUMENTS)[1:]
        self._name, self._nonce = words[2], words[4 if self._switch else 5]
        self._offset = 0 if self._switch else int(words[4])
        self._needs = int(words[7]) if not self._switch else 0
        self._needs += _FROM_THE_START if self._needs else 0
        self._text = 0
        if self._switch:
            self._say(self._mark("armed -"), SECONDS)

    def send(self, data: bytes) -> None:
        """The program, the archive, or a word."""
        if self._switch:
            self._say(self._mark(f"switched - {int(time.time() * 1000)}"), 0)
        elif data == b"stored\n":
            self._ended = True
        elif not self._text:
            self._text = len(data)
            self._say(self._mark("need archive gz 0 -") if self._needs else self._run(), 0 if self._needs else SECONDS)
        elif self._needs > 0:
            self._needs -= len(data)
            if self._needs <= 0:
                self._say(self._run(), SECONDS)

    def check_link(self) -> None:
        """It always lives."""

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        """As a real channel: waits no longer than `seconds`."""
        if self._ended:
            return b""
        wait = self._ready_at - time.monotonic() if self._said else seconds
        if wait > seconds or not self._said:
            time.sleep(seconds)
            return None
        if wait > 0:
            time.sleep(wait)
        said, self._said = self._said[:most], self._said[most:]
        return said

    def _say(self, data: bytes, after: float) -> None:
        self._said += data
        self._ready_at = time.monotonic() + after

    def _mark(self, text: str) -> bytes:
        return f"\x1e{self._nonce} {text}\n".encode()

    def _run(self) -> bytes:
        """A whole program's spool: one step with some output."""
        output = "".join(f"{self._name}: line {n} of {LINES}\n" for n in range(1, LINES + 1)).encode()
        spool = self._mark("step begin 1 build") + output + self._mark("step end 1 0") + self._mark("end ok")
        return self._mark("started") + spool[self._offset :]


@contextmanager
def program(host: Host, user: str, command: str) -> Iterator[Channel]:
    """Any host, whatever its address."""
    yield Channel(command)
