"""The service manager of all demo hosts: answers `demo-service`, and brings enabled services up again at a start."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from environments.demo.layout import DemoFolder, write_json
from environments.demo.service import Service, ServiceFailed, Unit

STARTS_AT_ONCE = 4
Key = tuple[str, str]


class ServiceManager:
    """Knows every service by host and application; one change at a time for each of them."""

    def __init__(
        self, demo: DemoFolder, environments: Mapping[str, Mapping[str, str]], say: Callable[[str], None]
    ) -> None:
        self._demo = demo
        self._environments = environments
        self._say = say
        self._services: dict[Key, Service] = {}
        self._changes: dict[Key, asyncio.Lock] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request, in the form that `service_client` tells."""
        try:
            line = await reader.readline()
            if line:
                action, host, application, root, port = line.decode().rstrip("\n").split("\0")
                done, text = await self._do(
                    action, Unit(host=host, application=application, root=Path(root), port=int(port))
                )
                writer.write(f"{'ok' if done else 'no'} {text}".encode())
                await writer.drain()
        except ConnectionError:
            return  # who asked has gone; the change is made all the same
        finally:
            writer.close()

    async def start_enabled(self) -> None:
        """Run `current` of every service that was running when the fleet ended."""
        gate = asyncio.Semaphore(STARTS_AT_ONCE)  # dozens of interpreters at once would starve each other

        async def start(unit: Unit) -> None:
            async with gate:
                done, text = await self._restart(unit, record=False)
            if not done:
                self._say(f"{unit.application} on {unit.host} is down: {text}")

        await asyncio.gather(*(start(unit) for host in self._environments for unit in self._enabled(host)))

    async def let_go(self) -> None:
        """Keep no service alive any more, and wait until all have ended, by whose hand ever."""
        for service in self._services.values():
            service.let_go()
        await asyncio.gather(*(service.ended() for service in self._services.values()))

    async def _do(self, action: str, unit: Unit) -> tuple[bool, str]:
        if unit.host not in self._environments:
            return False, f"The demo has no host {unit.host!r}."
        key = (unit.host, unit.application)
        if action == "status":
            return self._status(key)
        if action == "stop":
            return await self._stop(key)
        if unit.root == Path():
            return False, "No folder is given: set DEPLOYER_ROOT or --root to the folder that holds `current`."
        if not 1024 <= unit.port <= 65535:
            return False, f"{unit.port} is no port for a service: set PORT or --port to one from 1024 to 65535."
        return await self._restart(unit, record=True)

    async def _restart(self, unit: Unit, *, record: bool) -> tuple[bool, str]:
        key = (unit.host, unit.application)
        async with self._changes.setdefault(key, asyncio.Lock()):
            if key in self._services:
                await self._services[key].stop()
            log = self._demo.host(unit.host) / "log" / f"{unit.application}.log"
            service = Service(unit, environment=self._environments[unit.host], log=log, say=self._say)
            self._services[key] = service
            if record:
                self._record(unit.host, unit)
            try:
                await service.start()
            except ServiceFailed as failure:
                return False, str(failure)
            return self._status(key)

    async def _stop(self, key: Key) -> tuple[bool, str]:
        host, application = key
        async with self._changes.setdefault(key, asyncio.Lock()):
            if service := self._services.pop(key, None):
                await service.stop()
            self._record(host, None, without=application)
        return True, f"{application} is stopped on {host}."

    def _status(self, key: Key) -> tuple[bool, str]:
        host, application = key
        service = self._services.get(key)
        if service is None or service.pid is None:
            return False, f"{application} does not run on {host}."
        return True, (
            f"{application} runs on {host}: port {service.unit.port}, release {service.release}, process {service.pid}."
        )

    def _enabled(self, host: str) -> list[Unit]:
        path = self._enabled_file(host)
        if not path.exists():
            return []
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [
            Unit(host=host, application=name, root=Path(row["root"]), port=row["port"]) for name, row in rows.items()
        ]

    def _record(self, host: str, unit: Unit | None, *, without: str = "") -> None:
        units = {known.application: known for known in self._enabled(host) if known.application != without}
        if unit:
            units[unit.application] = unit
        rows = {name: {"root": str(known.root), "port": known.port} for name, known in sorted(units.items())}
        write_json(self._enabled_file(host), rows)

    def _enabled_file(self, host: str) -> Path:
        return self._demo.host(host) / "services.json"
