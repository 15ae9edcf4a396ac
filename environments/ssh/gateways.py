"""Jump hosts: hosts of a region that has a gateway are reached through it, over one kept connection per process."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import paramiko
from fabric import Connection
from paramiko.ssh_exception import ChannelException, SSHException

from environments.models import Host, Region
from environments.ssh.connection import Socket, open_direct, shut, sign_in
from environments.ssh.errors import HostUnreachable, SSHError
from environments.ssh.wire import CONNECT_SECONDS


@dataclass
class _Gateway:
    """`lock` is held while it is connected to, so that a hundred hosts at once make one connection."""

    host_id: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: Connection | None = None
    links: list[paramiko.Channel] = field(default_factory=list)
    used_at: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        return self.connection is not None and self.connection.transport.is_active()

    @property
    def in_use(self) -> bool:
        self.links = [link for link in self.links if not link.closed]
        return bool(self.links)

    def close(self) -> None:
        if self.connection is not None:
            shut(self.connection)
            self.connection = None


class _Link:
    """A way through a gateway, as a socket. Closing it never fails: a gateway that died hears no good-bye.

    The thread that reads the connection closes it first of all, and only then tells those who wait that it is over.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def close(self) -> None:
        with suppress(SSHException, EOFError, OSError):
            self._channel.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


_lock = threading.Lock()
_gateways: dict[tuple[int, str, int, str], _Gateway] = {}


def open_way(host: Host) -> Socket:
    """A connection to the port of the host's SSH server, through its region's gateway if there is one.

    The gateway itself is always reached directly. Raises SSHError, which names both.
    """
    region = host.zone.region if host.zone else None
    if region is None or region.gateway is None or region.gateway == host:
        return open_direct(host)
    try:
        return _open_link(region, region.gateway, host)
    except SSHError as error:
        text = f"{host.name} is reached through the gateway {region.gateway.name} of {region.name}. {error}"
        raise type(error)(host.name, text) from None


def forget(host: Host) -> None:
    """Close the connection to this gateway, if it is one; with it go those to the hosts behind it."""
    with _lock:
        found = [_gateways.pop(key) for key, gateway in list(_gateways.items()) if gateway.host_id == host.pk]
    for gateway in found:
        gateway.close()


def close_idle(limit: float) -> None:
    """Close the connections to gateways through which nothing leads, and nothing has since `limit`."""
    with _lock:
        idle = [key for key, gateway in _gateways.items() if gateway.used_at < limit and not gateway.in_use]
        found = [_gateways.pop(key) for key in idle]
    for gateway in found:
        gateway.close()


def _open_link(region: Region, host: Host, to: Host) -> Socket:
    gateway = _kept(region, host)
    kept, transport = _transport(gateway, region, host)
    try:
        return _link(gateway, transport, to)
    except (SSHException, EOFError, OSError) as error:
        if not kept or isinstance(error, ChannelException):
            raise _unreachable(host, to, error) from None
    # it had died while nobody used it: not the host's fault
    with suppress(SSHException, EOFError, OSError):
        transport.close()
    _, transport = _transport(gateway, region, host)
    try:
        return _link(gateway, transport, to)
    except (SSHException, EOFError, OSError) as error:
        raise _unreachable(host, to, error) from None


def _transport(gateway: _Gateway, region: Region, host: Host) -> tuple[bool, paramiko.Transport]:
    """The connection to the gateway, and whether it was there already. Raises SSHError."""
    with gateway.lock:
        kept = gateway.alive
        if not kept:
            gateway.connection = sign_in(host, region.gateway_user, open_direct)
        assert gateway.connection is not None
        return kept, gateway.connection.transport


def _link(gateway: _Gateway, transport: paramiko.Transport, to: Host) -> Socket:
    """Raises what paramiko raises."""
    link: paramiko.Channel = transport.open_channel(
        "direct-tcpip", (to.address, to.port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
    )
    gateway.links.append(link)
    return cast("paramiko.Channel", _Link(link))


def _unreachable(host: Host, to: Host, error: Exception) -> HostUnreachable:
    if isinstance(error, ChannelException):
        return HostUnreachable(
            to.name,
            f"{host.name} cannot reach {to.address}:{to.port} ({error.text}). Is that up, and may {host.name} forward?",
        )
    return HostUnreachable(to.name, f"The link to {host.name} broke ({error or type(error).__name__}).")


def _kept(region: Region, host: Host) -> _Gateway:
    with _lock:
        gateway = _gateways.setdefault(
            (host.pk, host.address, host.port, region.gateway_user), _Gateway(host_id=host.pk)
        )
        gateway.used_at = time.monotonic()
        return gateway
