"""A process whose three streams are joined to something that speaks bytes, with backpressure both ways.

asyncio's own subprocess transports are not used: up to Python 3.11 they trip over an end of input that comes while
input is still buffered, and closing one kills its process.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

STDOUT, STDERR = 1, 2
READ_SIZE = 256 * 1024
INPUT_HIGH, INPUT_LOW = 256 * 1024, 64 * 1024


class Owner(Protocol):
    """Who a program answers to."""

    def output(self, stream: int, data: bytes) -> None:
        """Take what the process wrote to STDOUT or STDERR."""

    def hold_input(self, held: bool) -> None:
        """Stop feeding input, or go on with it."""

    def ended(self, status: int) -> None:
        """Both outputs have ended and so has the process; a negative status is the signal that ended it."""


class Program:
    """A running process. It is reaped in any case, so none is left as a zombie."""

    running: ClassVar[set["Program"]] = set()

    def __init__(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], owner: Owner) -> None:
        """Start it, in a session of its own; OSError when it cannot start."""
        self._process = subprocess.Popen(
            command, cwd=cwd, env=environment, start_new_session=True, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._loop = asyncio.get_running_loop()
        self._owner: Owner | None = owner
        self._input: int | None = self._process.stdin.fileno()
        self._outputs = {STDOUT: self._process.stdout.fileno(), STDERR: self._process.stderr.fileno()}
        self._pending = bytearray()
        self._input_ends = False
        self._input_held = False
        for descriptor in (self._input, *self._outputs.values()):
            os.set_blocking(descriptor, False)
        self.hold_output(False)
        self.running.add(self)

    def feed(self, data: bytes) -> None:
        """Pass on input; what a process that closed its input does not want is dropped."""
        if self._input is None:
            return
        if not self._pending:
            self._loop.add_writer(self._input, self._write)
        self._pending += data
        if len(self._pending) > INPUT_HIGH:
            self._hold_input(True)

    def end_input(self) -> None:
        """Pass on the end of the input, after what is still pending."""
        self._input_ends = True
        if not self._pending:
            self._close_input()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole session of the command."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def hold_output(self, held: bool) -> None:
        """Stop reading from the process, or go on with it."""
        for stream, descriptor in self._outputs.items():
            if held:
                self._loop.remove_reader(descriptor)
            else:
                self._loop.add_reader(descriptor, self._read, stream, descriptor)

    def abandon(self) -> None:
        """Close all pipes and leave the process alone; the owner hears nothing more."""
        self._owner = None
        self._close_input()
        for stream in list(self._outputs):
            self._close_output(stream)

    def reap(self) -> None:
        """Look whether the process has ended."""
        if self._process.poll() is not None:
            self.running.discard(self)
            self._finish()

    def _read(self, stream: int, descriptor: int) -> None:
        try:
            data = os.read(descriptor, READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._close_output(stream)
            self._finish()
        elif self._owner:
            self._owner.output(stream, data)

    def _write(self) -> None:
        if self._input is None:
            return
        try:
            written = os.write(self._input, self._pending)
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._close_input()
            return
        del self._pending[:written]
        if len(self._pending) < INPUT_LOW:
            self._hold_input(False)
        if not self._pending and self._input is not None:
            self._loop.remove_writer(self._input)
            if self._input_ends:
                self._close_input()

    def _hold_input(self, held: bool) -> None:
        if held != self._input_held and self._owner:
            self._input_held = held
            self._owner.hold_input(held)

    def _close_input(self) -> None:
        if self._input is not None and self._process.stdin:
            self._loop.remove_writer(self._input)
            self._process.stdin.close()
            self._input = None
            self._pending.clear()
            self._hold_input(False)

    def _close_output(self, stream: int) -> None:
        self._loop.remove_reader(self._outputs.pop(stream))
        pipe = self._process.stdout if stream == STDOUT else self._process.stderr
        if pipe:
            pipe.close()

    def _finish(self) -> None:
        status = self._process.returncode
        if self._owner and status is not None and not self._outputs:
            owner, self._owner = self._owner, None
            self._close_input()
            owner.ended(status)


def reap_programs() -> None:
    """Reap what has ended; to be called at SIGCHLD."""
    for program in list(Program.running):
        program.reap()
