"""The wire: our own socket, safe algorithms, and the keys that a server shows."""

import base64
import hashlib
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import paramiko
from paramiko.ssh_exception import IncompatiblePeer, SSHException

from environments.ssh.errors import HostUnreachable

CONNECT_SECONDS = 6
HANDSHAKE_SECONDS = 12
BLOCK = 1 << 16
_CURVES = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521")


class Transport(paramiko.Transport):
    """Cheap and safe algorithms first; a peer without strict key exchange is not spoken to (CVE-2023-48795)."""

    # How often its thread wakes up to see whether it was closed: `stop_thread` wakes it instead, and hundreds of idle
    # connections cost nothing.
    _active_check_timeout = 10.0

    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )
    _preferred_kex = (*_CURVES, "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256")

    def _log(self, level: int, msg: str | list[str], *args: object) -> None:
        """Each connection has fifty things to say of itself that nobody asked for."""
        if level >= logging.WARNING:
            super()._log(level, msg, *args)  # type: ignore[misc]

    def stop_thread(self) -> None:
        with suppress(OSError, EOFError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def __init__(self, sock: Any, *arguments: Any, **facts: Any) -> None:
        super().__init__(cast("socket.socket", Wire(sock)), *arguments, **facts)

    def start_client(self, event: threading.Event | None = None, timeout: float | None = None) -> None:
        super().start_client(event=event, timeout=timeout)
        if not self.initial_kex_done:
            # when the time is over, paramiko returns as if all were well
            self.close()
            raise SSHException(f"no key exchange within {timeout} s")
        if not self.agreed_on_strict_kex:  # type: ignore[attr-defined]
            self.close()
            raise IncompatiblePeer("it does not know strict key exchange")


class Wire:
    """A socket that is read in large pieces: paramiko asks for each packet in two, and each time gives way to another
    of hundreds of threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = b""

    def recv(self, most: int) -> bytes:
        data = self._read or self._sock.recv(BLOCK)
        self._read = data[most:]
        return data[:most]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


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


def scan(address: str, port: int = 22, *, open_way: Callable[[], Any] | None = None) -> list[ScannedKey]:
    """The keys that an SSH server shows, without signing in. `open_way` opens another way to it. Raises SSHError."""
    found: dict[str, ScannedKey] = {}
    for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"):
        sock = open_way() if open_way else open_socket(f"{address}:{port}", address, port)
        transport = Transport(sock)
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


def open_socket(name: str, address: str, port: int) -> socket.socket:
    """Our own socket: no Nagle, and a half-open link is noticed after 10 s (by default: never)."""
    try:
        sock = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise HostUnreachable(
            name,
            f"{name} ({address}:{port}) cannot be reached ({error}). Is it up, and may the Deployer reach that port?",
        ) from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 10_000)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock
