"""The demo fleet: 18 SSH hosts in one process, each with its own port, folder and key, running real commands."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

import asyncssh

from environments.demo import guard
from environments.demo.fleet_file import Fleet, FleetHost, read_fleet, write_fleet
from environments.demo.geography import DemoHost, demo_hosts
from environments.demo.hosts import HostServer, host_environment, host_key, make_home, make_programs
from environments.demo.layout import DemoFolder
from environments.demo.lifeline import guarded, locked, wait_for_end
from environments.demo.ports import LOOPBACK, candidates, free_port, listen_on
from environments.demo.program import reap_programs
from environments.demo.service_manager import ServiceManager

APPLICATIONS = ("storefront", "pricing-api")
SPARE = 20  # ports between one use and the next within a block; at least the number of hosts


def run_fleet(demo: DemoFolder, say: Callable[[str], None], listening: Callable[[Fleet], None] | None = None) -> None:
    """Run the fleet until a signal comes or the parent is gone; FleetError or NoFreePort when it cannot start.

    `say` gets one line for each thing that whoever watches the fleet should know; `listening` is called, in a
    thread of its own, once all hosts listen.
    """
    parent = os.getppid()
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    with locked(demo) as lock, _sockets() as sockets, guarded(demo, lock, sockets) as guardian:
        asyncio.run(FleetRunner(demo, sockets, _to_whoever_listens(say), listening).run(parent, guardian))


class FleetRunner:
    """Opens the hosts' listeners and the service manager, and keeps them until the end."""

    def __init__(
        self,
        demo: DemoFolder,
        sockets: Path,
        say: Callable[[str], None],
        listening: Callable[[Fleet], None] | None,
    ) -> None:
        self._demo = demo
        self._socket = sockets / "service"
        self._hosts = demo_hosts()
        self._environments = {host.name: host_environment(demo, host, self._socket) for host in self._hosts}
        self._say = say
        self._listening = listening
        self._manager = ServiceManager(demo, self._environments, say)

    async def run(self, parent: int, guardian: "subprocess.Popen[bytes]") -> None:
        """Listen everywhere, write down where, bring the services up, wait for the end."""
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, reap_programs)
        make_programs(self._demo)
        await asyncio.start_unix_server(self._manager.answer, self._socket)
        before = read_fleet(self._demo)
        known = before.hosts if before else {}
        rows = [await self._open(host, index, known.get(host.name)) for index, host in enumerate(self._hosts)]
        fleet = Fleet(os.getpid(), {row.name: row for row in rows})
        write_fleet(self._demo, fleet)
        self._say(f"{len(rows)} hosts in {len({row.zone for row in rows})} zones listen on {LOOPBACK}.")
        starting = asyncio.create_task(self._manager.start_enabled())
        if self._listening:
            await asyncio.to_thread(self._listening, fleet)
        reason = await wait_for_end(ended, parent, guardian)
        self._say(f"The demo fleet ends: {reason}.")
        starting.cancel()
        await self._end()

    async def _end(self) -> None:
        # Everything is killed while the loop still runs, so that it can reap the services that it started.
        gone = asyncio.ensure_future(self._manager.let_go())
        await asyncio.to_thread(guard.end_marked, self._demo.marker)
        await gone

    async def _open(self, host: DemoHost, index: int, before: FleetHost | None) -> FleetHost:
        key = host_key(self._demo.host(host.name))
        home = make_home(self._demo, host)
        listener = listen_on(_preferring(before.port if before else None, candidates(self._demo.path, index)))
        server = HostServer(self._demo.authorized_keys, home, self._environments[host.name])
        await _serve(listener, server, key)
        return FleetHost(
            name=host.name,
            address=LOOPBACK,
            port=listener.getsockname()[1],
            host_key=key.export_public_key().decode().strip(),
            region=host.region,
            zone=host.zone,
            environment=host.environment,
            folder=str(home.resolve()),
            application_ports=before.application_ports if before else self._application_ports(index),
        )

    def _application_ports(self, index: int) -> Mapping[str, int]:
        return {
            name: free_port(candidates(self._demo.path, SPARE * place + index))
            for place, name in enumerate(APPLICATIONS, start=1)
        }


async def _serve(listener: socket.socket, server: HostServer, key: asyncssh.SSHKey) -> None:
    await asyncssh.listen(
        sock=listener,
        server_factory=lambda: server,
        server_host_keys=[key],
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
        encryption_algs=["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr"],
        compression_algs=None,
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
        agent_forwarding=False,
        allow_pty=False,
        line_editor=False,
        encoding=None,
    )


def _preferring(port: int | None, others: Iterator[int]) -> Iterator[int]:
    return others if port is None else chain([port], others)


def _to_whoever_listens(say: Callable[[str], None]) -> Callable[[str], None]:
    def tell(text: str) -> None:
        with suppress(BrokenPipeError):  # the parent has died; that must not keep the fleet from ending in order
            say(text)

    return tell


@contextmanager
def _sockets() -> Iterator[Path]:
    # In /tmp and with a short name: the path of a unix socket has room for about 100 bytes.
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
