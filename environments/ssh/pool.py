"""Programs on hosts over warm connections: kept for the next phase and the next deploy, as long and as many as set."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko
from django.conf import settings
from fabric import Connection
from paramiko.ssh_exception import SSHException

from environments.models import Host
from environments.ssh import gateways
from environments.ssh.channel import Channel, await_start, start
from environments.ssh.connection import shut, sign_in
from environments.ssh.errors import HostUnreachable
from environments.ssh.wire import HANDSHAKE_SECONDS, ScannedKey, scan

FRESH_SECONDS = 5.0  # a connection that was used so lately is alive; an older one is asked first
SPARE_SECONDS = 2.0

Key = tuple[int, str, int, str]


@dataclass
class _Warm:
    connection: Connection
    used_at: float = field(default_factory=time.monotonic)
    spare: paramiko.Channel | None = None

    @property
    def transport(self) -> paramiko.Transport:
        found: paramiko.Transport = self.connection.transport
        return found

    @property
    def alive(self) -> bool:
        return self.connection.transport is not None and self.transport.is_active()

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.used_at < FRESH_SECONDS

    def reserve(self) -> None:
        """Open the channel of the next program already, while the host works on this one.

        A host that allows only one at a time refuses it; then the next program opens its own.
        """
        try:
            self.spare = self.transport.open_session(timeout=SPARE_SECONDS)
        except (SSHException, EOFError, OSError):
            self.spare = None

    def run(self, command: str) -> paramiko.Channel:
        """Raises what paramiko raises."""
        channel, self.spare = self.spare, None
        if channel is None or channel.closed:
            channel = self.transport.open_session(timeout=HANDSHAKE_SECONDS)
        start(channel, command)
        if not self.fresh:
            await_start(channel)
        return channel


_pool_lock = threading.Lock()
_pool: dict[Key, list[_Warm]] = {}


@dataclass
class _Use:
    """One program on its way: over a connection that was kept, or a new one."""

    host: Host
    user: str
    command: str
    warm: _Warm | None = None

    def begin(self, key: Key) -> tuple[paramiko.Channel, bool]:
        """Start it; and whether that was over a kept connection, which may turn out to be dead. Raises SSHError."""
        while warm := _borrow(key):
            try:
                self.warm = warm
                return warm.run(self.command), True
            except (SSHException, EOFError, OSError):
                shut(warm.connection)  # it died while it was idle: not the host's fault
        return self.connect(), False

    def connect(self) -> paramiko.Channel:
        """Start it over a new connection. Raises SSHError."""
        name = self.host.name
        if self.warm is not None:
            shut(self.warm.connection)
        self.warm = _Warm(sign_in(self.host, self.user, gateways.open_way))
        try:
            return self.warm.run(self.command)
        except (SSHException, EOFError, OSError) as error:
            shut(self.warm.connection)
            raise HostUnreachable(name, f"{name} let us in but started no program ({error}).") from None

    def reserve(self) -> None:
        if self.warm is not None:
            self.warm.reserve()

    def end(self, key: Key) -> None:
        if self.warm is not None:
            _give_back(key, self.warm)


@contextmanager
def program(host: Host, user: str, command: str) -> Iterator[Channel]:
    """Run `command` on `host` and talk to it; a warm connection is used, and stays warm. Raises SSHError."""
    key = (host.pk, host.address, host.port, user)
    use = _Use(host, user, command)
    started, kept = use.begin(key)
    channel = Channel(host.name, started, meanwhile=use.reserve, again=use.connect if kept else None)
    try:
        yield channel
    finally:
        channel.close()
        use.end(key)


def scan_host(host: Host) -> list[ScannedKey]:
    """The keys that a host shows, through its gateway if it has one; nobody signs in to it. Raises SSHError."""
    return scan(host.address, host.port, open_way=lambda: gateways.open_way(host))


def forget(host: Host) -> None:
    """Close the warm connections to a host and through it, as after its accepted key has changed."""
    with _pool_lock:
        keys = [key for key in _pool if key[0] == host.pk]
        dropped = [warm for key in keys for warm in _pool.pop(key)]
    for warm in dropped:
        shut(warm.connection)
    gateways.forget(host)


def close_idle(older_than: float | None = None) -> None:
    """Close connections that nobody used for so many seconds, by default SSH_KEEP_SECONDS."""
    limit = time.monotonic() - (settings.SSH_KEEP_SECONDS if older_than is None else older_than)
    dropped: list[_Warm] = []
    with _pool_lock:
        for key, warms in list(_pool.items()):
            dropped += [warm for warm in warms if warm.used_at < limit or not warm.alive]
            _pool[key] = [warm for warm in warms if warm.used_at >= limit and warm.alive]
            if not _pool[key]:
                del _pool[key]
    for warm in dropped:
        shut(warm.connection)
    gateways.close_idle(limit)


def _borrow(key: Key) -> _Warm | None:
    with _pool_lock:
        while _pool.get(key):
            warm = _pool[key].pop()
            if warm.alive:
                return warm
    return None


def _give_back(key: Key, warm: _Warm) -> None:
    warm.used_at = time.monotonic()
    with _pool_lock:
        if warm.alive and sum(map(len, _pool.values())) < settings.SSH_KEEP_MOST:
            _pool.setdefault(key, []).append(warm)
            return
    shut(warm.connection)
