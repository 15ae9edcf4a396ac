"""One command on a demo host: an SSH exec request joined to a real process.

It behaves as sshd does. The command runs in a session of its own; when the connection dies, its pipes close and
nothing is killed, so what detached itself lives on.
"""

import signal
from collections.abc import Mapping
from pathlib import Path

import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from environments.demo.program import STDERR, Program

CANNOT_START = 126


class HostSession(asyncssh.SSHServerSession[bytes]):
    """An exec request. Shells, terminals and subsystems are refused, which is the base class's answer."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._command = ""
        self._program: Program | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        command = ("/bin/sh", "-c", self._command)
        try:
            self._program = Program(command, cwd=self._home, environment=self._environment, owner=self)
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in the command
            self._chan.write(f"This host cannot start the command: {error}\n".encode(), EXTENDED_DATA_STDERR)
            self._chan.exit(CANNOT_START)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._program:
            self._program.feed(data)

    def eof_received(self) -> bool:
        if self._program:
            self._program.end_input()
        return True  # only the input has ended: the output goes on

    def signal_received(self, signal_name: str) -> None:
        number = getattr(signal, f"SIG{signal_name}", None)
        if self._program and isinstance(number, signal.Signals):
            self._program.signal(number)

    def pause_writing(self) -> None:
        if self._program:
            self._program.hold_output(True)

    def resume_writing(self) -> None:
        if self._program:
            self._program.hold_output(False)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._program:
            self._program.abandon()

    def output(self, stream: int, data: bytes) -> None:
        self._chan.write(data, EXTENDED_DATA_STDERR if stream == STDERR else None)

    def hold_input(self, held: bool) -> None:
        if held:
            self._chan.pause_reading()
        else:
            self._chan.resume_reading()

    def ended(self, status: int) -> None:
        if status < 0:
            self._chan.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            self._chan.exit(status)
