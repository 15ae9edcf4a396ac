"""Programs on hosts over warm connections."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko
from fabric import Connection
from paramiko.ssh_exception import ChannelException, SSHException

from environments.models import Host
from environments.ssh.connection import connect
from environments.ssh.errors import HostUnreachable
from environments.ssh.wire import HANDSHAKE_SECONDS

SEND_SECONDS = 15.0
ANSWER_SECONDS = 8.0
IDLE_SECONDS = 60
IDLE_MOST = 256


class Channel:
    """One program on a host: bytes in, bytes out."""

    def __init__(self, host: str, channel: paramiko.Channel) -> None:
        self._host = host
        self._channel = channel

    def send(self, data: bytes) -> None:
        """Raises HostUnreachable when the link has died, or when the host has taken nothing for a while."""
        self._channel.settimeout(SEND_SECONDS)
        try:
            self._channel.sendall(data)
        except OSError as error:
            raise HostUnreachable(self._host, f"The link to {self._host} broke while sending ({error}).") from None

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        """Bytes; b"" at the end of output; None when nothing came within `seconds`."""
        self._channel.settimeout(seconds)
        try:
            return self._channel.recv(most)
        except TimeoutError:
            return None

    def check_link(self) -> None:
        """Ask the server for an answer, whatever the program does. Raises HostUnreachable when none comes."""
        transport = self._channel.get_transport()
        try:
            transport.open_session(timeout=ANSWER_SECONDS).close()
        except ChannelException:
            return  # it has enough open already, but it lives
        except (SSHException, EOFError, OSError):
            # the same connection is no good for anything else
            transport.close()
            raise HostUnreachable(
                self._host, f"{self._host} takes our connection, but its SSH server has stopped answering."
            ) from None

    @property
    def ended_by_host(self) -> bool:
        """Whether the host said how the program ended; otherwise an end of output only means a dead link."""
        return self._channel.exit_status_ready() and self._channel.exit_status != -1

    def close(self) -> None:
        self._channel.close()


@dataclass
class _Warm:
    connection: Connection
    used_at: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        transport = self.connection.transport
        return transport is not None and transport.is_active()


_pool_lock = threading.Lock()
_pool: dict[tuple[int, str, int, str], list[_Warm]] = {}


@contextmanager
def program(host: Host, user: str, command: str) -> Iterator[Channel]:
    """Run `command` on `host` and talk to it; a warm connection is used, and stays warm. Raises SSHError."""
    key = (host.pk, host.address, host.port, user)
    warm, channel = _open(host, user, key, command)
    try:
        yield Channel(host.name, channel)
    finally:
        channel.close()
        _give_back(key, warm)


def forget(host: Host) -> None:
    """Close the warm connections to a host, as after its accepted key has changed."""
    with _pool_lock:
        keys = [key for key in _pool if key[0] == host.pk]
        dropped = [warm for key in keys for warm in _pool.pop(key)]
    for warm in dropped:
        warm.connection.close()


def close_idle(older_than: float = IDLE_SECONDS) -> None:
    """Close connections that nobody used for a while."""
    limit = time.monotonic() - older_than
    dropped: list[_Warm] = []
    with _pool_lock:
        for key, warms in list(_pool.items()):
            dropped += [warm for warm in warms if warm.used_at < limit or not warm.alive]
            _pool[key] = [warm for warm in warms if warm.used_at >= limit and warm.alive]
            if not _pool[key]:
                del _pool[key]
    for warm in dropped:
        warm.connection.close()


def _open(host: Host, user: str, key: tuple[int, str, int, str], command: str) -> tuple[_Warm, paramiko.Channel]:
    while warm := _borrow(key):
        try:
            return warm, _exec(warm, command)
        except (SSHException, EOFError, OSError):
            warm.connection.close()  # it died while it was idle: not the host's fault
    warm = _Warm(connect(host, user))
    try:
        return warm, _exec(warm, command)
    except (SSHException, EOFError, OSError) as error:
        warm.connection.close()
        raise HostUnreachable(host.name, f"{host.name} let us in but started no program ({error}).") from None


def _exec(warm: _Warm, command: str) -> paramiko.Channel:
    assert warm.connection.transport is not None
    channel: paramiko.Channel = warm.connection.transport.open_session(timeout=HANDSHAKE_SECONDS)
    channel.set_combine_stderr(True)
    channel.exec_command(command)
    return channel


def _borrow(key: tuple[int, str, int, str]) -> _Warm | None:
    with _pool_lock:
        while _pool.get(key):
            warm = _pool[key].pop()
            if warm.alive:
                return warm
    return None


def _give_back(key: tuple[int, str, int, str], warm: _Warm) -> None:
    warm.used_at = time.monotonic()
    with _pool_lock:
        if warm.alive and sum(map(len, _pool.values())) < IDLE_MOST:
            _pool.setdefault(key, []).append(warm)
            return
    warm.connection.close()
