"""Keeps the processes of one installation running, and ends them all together."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

from django.conf import settings

from deployer_site.console import Console, Lines
from deployer_site.lifeline import Lifeline, behind_gate
from deployer_site.programs import Program

FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 1.0, 30.0, 60.0
STOP_SECONDS = 8.0
CHUNK = 64 * 1024
MEMORY = {
    # glibc gives each of many threads a heap of its own otherwise, most of it empty
    "MALLOC_ARENA_MAX": "2",
    # Django's checks, of code that tests have checked, would load all pages and the API into each worker
    "CELERY_SKIP_CHECKS": "1",
}


def next_pause(pause: float, *, ran: float) -> float:
    """Seconds to wait before a new start of what ran for `ran` seconds: 1, 2, 4 … 30, and 1 again after a minute."""
    return FIRST_PAUSE if ran >= STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)


class Output(NamedTuple):
    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _open(read_end: int) -> Output:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(read_end, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return Output(reader, transport)


class Supervisor:
    def __init__(self, *, console: Console, lifeline: Lifeline) -> None:
        self._console = console
        self._lifeline = lifeline
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def keep(self, programs: Sequence[Program]) -> None:
        """Start each program and start it again whenever it ends."""
        self._keepers += [asyncio.create_task(self._keep(program)) for program in programs]

    def ask_to_stop(self) -> None:
        """The first call ends everything politely; the second one at once."""
        if self.stopping:
            self._signal_all(signal.SIGKILL)
        else:
            self._console.say("Stopping. Once more ends everything at once.")
            self._stopping.set()

    async def until_stopped(self) -> None:
        """Returns when someone asked to stop and every process is gone; `valkey` goes last, others still talk to it."""
        while not self.stopping:
            await self._pause(1)
            if self._lifeline.renew():
                self._console.say("The watcher had died and was started again.")
        await self._stop([name for name in self._running if name != "valkey"])
        await self._stop(list(self._running))
        await asyncio.gather(*self._keepers)

    async def _stop(self, names: Sequence[str]) -> None:
        waiting = {name: self._running[name] for name in names if name in self._running}
        for process in waiting.values():
            _signal(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(process.returncode is None for process in waiting.values()):
            await asyncio.sleep(0.05)
        for name, process in waiting.items():
            if process.returncode is None:
                self._console.say(f"{name} did not stop within {STOP_SECONDS:.0f} s and is ended.")
            # Also when the process itself is gone: what it started in its group must go too.
            _signal(process.pid, signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._running.values():
            _signal(process.pid, number)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _keep(self, program: Program) -> None:
        pause = FIRST_PAUSE / 2
        while not self.stopping:
            began = time.monotonic()
            code = await self._run(program)
            if self.stopping or (program.once and code == 0):
                return
            pause = next_pause(pause, ran=time.monotonic() - began)
            self._console.say(f"ended with {_describe(code)}; starting it again in {pause:.0f} s.", name=program.name)
            await self._pause(pause)

    async def _run(self, program: Program) -> int:
        """The exit code of one life of `program`."""
        # A pipe of our own: asyncio's would hold back the exit code as long as a grandchild keeps it open.
        read_end, write_end = os.pipe()
        output = await _open(read_end)
        try:
            process = await self._start(program, write_end)
        finally:
            os.close(write_end)
        printer = asyncio.create_task(self._print(program, output))
        code = await process.wait()
        # Whatever it started in its group goes with it.
        _signal(process.pid, signal.SIGKILL)
        del self._running[program.name]
        self._lifeline.forget(process.pid)
        # What left the group may hold the pipe open: its words are not worth waiting for.
        await asyncio.wait([printer], timeout=1)
        printer.cancel()
        return code

    async def _start(self, program: Program, output: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *behind_gate(program.command),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            cwd=settings.BASE_DIR,
            env={**os.environ, "VAR": str(settings.VAR), "PYTHONUNBUFFERED": "1", **MEMORY},
        )
        self._lifeline.watch(process.pid)
        self._running[program.name] = process
        assert process.stdin is not None
        if not self.stopping:
            process.stdin.write(b"go\n")
        process.stdin.close()
        return process

    async def _print(self, program: Program, output: Output) -> None:
        lines = Lines()
        try:
            while data := await output.reader.read(CHUNK):
                self._say(program, lines.feed(data))
            self._say(program, lines.end())
        finally:
            output.transport.close()

    def _say(self, program: Program, lines: Sequence[str]) -> None:
        for line in lines:
            if line.strip() and not any(phrase in line for phrase in program.hide):
                self._console.say(line, name=program.name)


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # Gone; macOS answers "not permitted" for a group of which only a zombie is left.
        return


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
