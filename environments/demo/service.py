"""One application's running service on a demo host, as a child of the fleet.

ServiceFailed    it could not be started, with what its log says
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from environments.demo.ports import LOOPBACK

PROGRAM = "serve.py"
START_PATIENCE = 15.0
STOP_PATIENCE = 3.0
LOG_LIMIT = 1_000_000
LOG_LINES = 6
LONGEST_BACK_OFF = 30.0
STEADY = 60.0


class ServiceFailed(Exception):
    """A service did not come up; the text says what happened and what to look at."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What a service manager knows of a service: whose it is, where it lies, where it listens."""

    host: str
    application: str
    root: Path
    port: int


class Service:
    """Runs the program in `<root>/current` until it is stopped; starts it again when it dies by itself."""

    def __init__(self, unit: Unit, *, environment: Mapping[str, str], log: Path, say: Callable[[str], None]) -> None:
        self.unit = unit
        self._environment = {**environment, "APPLICATION": unit.application, "PORT": str(unit.port)}
        self._log = log
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.release = ""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and wait until it listens; ServiceFailed when it does not."""
        try:
            await self._start()
        except ServiceFailed:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End it, with force when it takes longer than a few seconds."""
        self.let_go()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()

    def let_go(self) -> None:
        """Do not start it again when it ends."""
        if self._watch:
            self._watch.cancel()
            self._watch = None

    async def ended(self) -> None:
        """Return once the process is gone."""
        if self._process:
            await self._process.wait()

    async def _start(self) -> None:
        unit = self.unit
        current = unit.root / "current"
        program = current / PROGRAM
        if not program.is_file():
            raise ServiceFailed(f"{program} does not exist, so {unit.application} has nothing to run.")
        if await _listens(unit.port):
            raise ServiceFailed(f"Port {unit.port} of {unit.host} is used by another program; choose another one.")
        release = current.resolve()
        begin = self._log_size()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "python3", "-S", PROGRAM, cwd=release, env=self._environment, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.release = release.name
        await self._wait_until_it_listens(self._process, begin)

    async def _wait_until_it_listens(self, process: asyncio.subprocess.Process, begin: int) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise ServiceFailed(
                    f"{self.unit.application} ended with status {process.returncode} instead of listening on port "
                    f"{self.unit.port}. Its log ends:\n{self._log_end(begin)}"
                )
            if await _listens(self.unit.port):
                return
            await asyncio.sleep(0.02)
        raise ServiceFailed(
            f"{self.unit.application} did not listen on port {self.unit.port} within {START_PATIENCE:.0f} s. "
            f"Its log ends:\n{self._log_end(begin)}"
        )

    async def _keep_running(self) -> None:
        back_off = 1.0
        while self._process:
            began = time.monotonic()
            status = await self._process.wait()
            if time.monotonic() - began > STEADY:
                back_off = 1.0
            name = f"{self.unit.application} on {self.unit.host}"
            self._say(f"{name} ended with status {status}; starting it again in {back_off:.0f} s.")
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)
            try:
                await self._start()
            except ServiceFailed as failure:
                self._say(f"{name} is down: {failure}")

    def _log_size(self) -> int:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        size = self._log.stat().st_size if self._log.exists() else 0
        if size > LOG_LIMIT:
            self._log.write_bytes(b"")
            return 0
        return size

    def _log_end(self, begin: int) -> str:
        with self._log.open("rb") as log:
            log.seek(begin)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES:]) or "  (nothing)"


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
