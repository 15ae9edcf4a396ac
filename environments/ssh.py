"""SSH by Fabric, behind one factory: pinned host keys, our own socket, warm connections.

Errors, each of which names the host:

    SSHError
    ├── NoKeyPair            the Deployer has no key pair yet
    ├── HostKeyUnknown       nobody has accepted a key of this host
    ├── HostKeyChanged       the host shows another key than the accepted one
    ├── KeyRefused           the host does not let our key in
    ├── HostOutdated         the host cannot speak SSH safely (strict key exchange, signatures better than SHA-1)
    └── HostUnreachable      no connection, or the link died
"""

import base64
import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, IncompatiblePeer, SSHException

from environments.keys import active_key_pair, private_text
from environments.models import Host, HostKey

CONNECT_SECONDS = 8
HANDSHAKE_SECONDS = 12
IDLE_SECONDS = 60
IDLE_MOST = 256
_CURVES = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521")


class SSHError(Exception):
    """`kind` is a word for machines; `str()` is the sentence for every door."""

    kind = "ssh"

    def __init__(self, host: str, text: str) -> None:
        self.host = host
        super().__init__(text)


class NoKeyPair(SSHError):
    kind = "no-key-pair"


class HostKeyUnknown(SSHError):
    kind = "host-key-unknown"


class HostKeyChanged(SSHError):
    kind = "host-key-changed"


class KeyRefused(SSHError):
    kind = "key-refused"


class HostOutdated(SSHError):
    kind = "host-outdated"


class HostUnreachable(SSHError):
    kind = "unreachable"


class _Transport(paramiko.Transport):
    """Cheap and safe algorithms first; a peer without strict key exchange is not spoken to (CVE-2023-48795)."""

    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )
    _preferred_kex = (*_CURVES, "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256")

    def start_client(self, event: threading.Event | None = None, timeout: float | None = None) -> None:
        super().start_client(event=event, timeout=timeout)
        if not self.agreed_on_strict_kex:  # type: ignore[attr-defined]
            self.close()
            raise IncompatiblePeer("it does not know strict key exchange")


@dataclass(frozen=True)
class ScannedKey:
    """A key that a host showed; nobody has accepted it yet."""

    algorithm: str
    key: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)


def fingerprint(key: str) -> str:
    """`SHA256:…` of a base64 public key, as ssh-keygen(1) prints it."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class Channel:
    """One program on a host: bytes in, bytes out."""

    def __init__(self, host: str, channel: paramiko.Channel) -> None:
        self._host = host
        self._channel = channel

    def send(self, data: bytes) -> None:
        """Raises HostUnreachable when the link has died."""
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


_config_lock = threading.Lock()
_config = Config(overrides={"load_ssh_configs": False})
_pool_lock = threading.Lock()
_pool: dict[tuple[int, str, int, str], list[_Warm]] = {}
_keys: dict[int, paramiko.PKey] = {}


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


def scan(address: str, port: int = 22) -> list[ScannedKey]:
    """The keys that an SSH server shows, without signing in. Raises HostUnreachable."""
    found: dict[str, ScannedKey] = {}
    for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"):
        transport = _Transport(_socket(f"{address}:{port}", address, port))
        transport.get_security_options().key_types = (algorithm,)
        try:
            transport.start_client(timeout=HANDSHAKE_SECONDS)
            shown = transport.get_remote_server_key()
            found[shown.get_base64()] = ScannedKey(shown.get_name(), shown.get_base64())
        except (SSHException, EOFError, OSError):
            continue  # this server has no key of that kind
        finally:
            transport.close()
    if not found:
        raise HostUnreachable(address, f"{address}:{port} showed no host key. Is an SSH server listening there?")
    return list(found.values())


def _open(host: Host, user: str, key: tuple[int, str, int, str], command: str) -> tuple[_Warm, paramiko.Channel]:
    while warm := _borrow(key):
        try:
            return warm, _exec(warm, command)
        except (SSHException, EOFError, OSError):
            warm.connection.close()  # it died while it was idle: not the host's fault
    warm = _Warm(_connect(host, user))
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


def _connect(host: Host, user: str) -> Connection:
    accepted = list(HostKey.objects.filter(host=host))
    if not accepted:
        raise HostKeyUnknown(
            host.name,
            f"Nobody has accepted a host key of {host.name}, so nothing was sent to it. "
            f"Run `manage.py hostkey scan {host.name}`, compare the fingerprint and accept it.",
        )
    pkey = _private_key(host.name)
    sock = _socket(host.name, host.address, host.port)
    # Fabric's Config is not safe to share between threads while a Connection copies it.
    with _config_lock:
        connection = Connection(
            host.address, user=user, port=host.port, config=_config, connect_kwargs=_kwargs(pkey, sock)
        )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    named = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    for row in accepted:
        connection.client.get_host_keys().add(
            named, row.algorithm, paramiko.PKey.from_type_string(row.algorithm, base64.b64decode(row.key))
        )
    try:
        connection.open()
    except (BadHostKeyException, AuthenticationException, SSHException, EOFError, OSError) as error:
        connection.close()
        sock.close()
        raise _explain(host, user, error) from None
    return connection


def _kwargs(pkey: paramiko.PKey, sock: socket.socket) -> dict[str, Any]:
    return {
        "pkey": pkey,
        "sock": sock,
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": HANDSHAKE_SECONDS,
        "banner_timeout": HANDSHAKE_SECONDS,
        "auth_timeout": HANDSHAKE_SECONDS,
        "channel_timeout": HANDSHAKE_SECONDS,
        "transport_factory": _Transport,
    }


def _explain(host: Host, user: str, error: Exception) -> SSHError:
    name = host.name
    if isinstance(error, BadHostKeyException) or "not found in known_hosts" in str(error):
        return HostKeyChanged(
            name,
            f"{name} shows another host key than the accepted one, so no command was sent. Either the machine was "
            f"reinstalled, or someone stands in between. Compare the fingerprint with `manage.py hostkey scan {name}`.",
        )
    if isinstance(error, IncompatiblePeer) or "no acceptable" in str(error) or "kex" in str(error):
        return HostOutdated(
            name, f"{name} cannot speak SSH safely ({error}), so no command was sent. Update its SSH server."
        )
    if isinstance(error, AuthenticationException):
        return KeyRefused(
            name,
            f"{name} does not let the Deployer's key in as {user}. "
            f"Put the line of `manage.py key show` into ~{user}/.ssh/authorized_keys there.",
        )
    said = str(error) or type(error).__name__
    return HostUnreachable(name, f"{name} ({host.address}:{host.port}) broke off while connecting ({said}).")


def _private_key(name: str) -> paramiko.PKey:
    pair = active_key_pair()
    if pair is None:
        raise NoKeyPair(name, "The Deployer has no key pair yet. Run `manage.py key create`.")
    if pair.pk not in _keys:
        _keys[pair.pk] = _key_class(pair.public).from_private_key(io.StringIO(private_text(pair)))
    return _keys[pair.pk]


def _key_class(public: str) -> type[paramiko.PKey]:
    algorithm = public.split()[0]
    if algorithm == "ssh-ed25519":
        return paramiko.Ed25519Key
    return paramiko.ECDSAKey if algorithm.startswith("ecdsa-") else paramiko.RSAKey


def _socket(name: str, address: str, port: int) -> socket.socket:
    """Our own socket: no Nagle, and a half-open link is noticed after 15 s (by default: never)."""
    try:
        sock = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise HostUnreachable(
            name,
            f"{name} ({address}:{port}) cannot be reached ({error}). Is it up, and may the Deployer reach that port?",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock
