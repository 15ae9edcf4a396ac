"""Signing in to a host: pinned keys, our key alone, and a clear word when it fails."""

import base64
import io
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, IncompatiblePeer, SSHException

from environments.keys import active_key_pair, private_text
from environments.models import Host, HostKey, KeyPair, Signer
from environments.ssh import authorities
from environments.ssh.certified import ByCertificate, NotCertified, certified
from environments.ssh.errors import (
    HostKeyChanged,
    HostKeyUnknown,
    HostOutdated,
    HostUnreachable,
    KeyRefused,
    NoKeyPair,
    SSHError,
)
from environments.ssh.wire import HANDSHAKE_SECONDS, Transport, open_socket

# what paramiko says when a server hangs or goes away in the middle of signing in: that refuses no key
_NO_ANSWER = ("Authentication timeout", "Authentication failed: transport shut down")

PAIR_SECONDS = 2.0

Socket = socket.socket | paramiko.Channel

# Each costs milliseconds of computing on both sides: hundreds at once only make each other late, up to the time limit.
# Whoever does not even answer the call waits outside.
_handshakes = threading.BoundedSemaphore(48)
_config_lock = threading.Lock()


class _Config(Config):  # type: ignore[misc]
    """Reads each value once: looking up those that Fabric asks for costs a millisecond for every connection."""

    def _get(self, key: str) -> Any:
        known = self.__dict__.setdefault("_known", {})
        if key not in known:
            known[key] = super()._get(key)
        return known[key]


shared_config = _Config(overrides={"load_ssh_configs": False})


class _OwnKey:
    """Our key pair, parsed once; which one is active is asked once for all hosts of a deploy, not for each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._asked_at = -PAIR_SECONDS
        self._pair_id = 0
        self._parsed: paramiko.PKey | None = None
        self._certified: tuple[str, paramiko.PKey, float] | None = None

    def get(self, host: str) -> paramiko.PKey:
        """Raises NoKeyPair."""
        with self._lock:
            if time.monotonic() - self._asked_at < PAIR_SECONDS and self._parsed is not None:
                return self._parsed
            pair = active_key_pair()
            if pair is None:
                raise NoKeyPair(host, "The Deployer has no key pair yet. Run `manage.py key create`.")
            if self._parsed is None or pair.pk != self._pair_id:
                self._parsed = _parse(pair)
            self._certified = self._read_certificate(pair)
            self._pair_id, self._asked_at = pair.pk, time.monotonic()
            return self._parsed

    def _read_certificate(self, pair: KeyPair) -> tuple[str, paramiko.PKey, float] | None:
        """The line, the key with it, and until when it counts."""
        row = (
            Signer.objects.filter(key_pair=pair.pk, ends_at__isnull=False).values_list("certificate", "ends_at").first()
        )
        if row is None or row[1] is None:
            return None
        line, ends = row[0], row[1].timestamp()
        if self._certified is not None and self._certified[0] == line:
            return self._certified
        key = _parse(pair)
        key.load_certificate(line)
        return line, key, ends

    def certified(self) -> paramiko.PKey | None:
        """The same key with its certificate, as long as that counts; of what `get` has read last."""
        with self._lock:
            found = self._certified
        return found[1] if found is not None and time.time() < found[2] else None


own_key = _OwnKey()


class _BothKeys:
    """Shows the certificate first, then the key by itself, which hosts may know from before."""

    def __init__(self, user: str, certified: paramiko.PKey, plain: paramiko.PKey) -> None:
        self._user = user
        self._keys = (certified, plain)

    def authenticate(self, transport: paramiko.Transport) -> object:
        """Raises AuthenticationException."""
        certified, plain = self._keys
        try:
            return transport.auth_publickey(self._user, certified)
        except AuthenticationException:
            if not transport.is_active():
                raise
            return transport.auth_publickey(self._user, plain)


class _Connection(Connection):  # type: ignore[misc]
    """Fabric's with plain attributes. Fabric looks whether each is part of its configuration, which costs more than
    half of making one; and what it then writes there, all others that share it may miss for a moment."""

    __setattr__ = object.__setattr__


def open_direct(host: Host) -> socket.socket:
    """Raises HostUnreachable."""
    return open_socket(host.name, host.address, host.port)


def shut(connection: Connection) -> None:
    """Close it, alive or dead: over a gateway that died, even the good-bye fails."""
    with suppress(SSHException, EOFError, OSError):
        connection.close()


def require_accepted_keys(host: Host) -> list[HostKey]:
    """The keys that a person has accepted; read along with the host, if whoever read it has asked for that.

    None only where an authority may speak for the host.
    """
    read: list[HostKey] | None = getattr(host, "accepted_keys", None)
    accepted = list(host.keys.all()) if read is None else read
    if not accepted and not authorities.covers(host):
        raise HostKeyUnknown(
            host.name,
            f"Nobody has accepted a host key of {host.name}, so nothing was sent to it. "
            f"Run `manage.py hostkey scan {host.name}`, compare the fingerprint and accept it.",
        )
    return accepted


def sign_in(host: Host, user: str, open_way: Callable[[Host], Socket]) -> Connection:
    """Signed in over the socket of `open_way`, with a host key that a person has accepted. Raises SSHError."""
    accepted = require_accepted_keys(host)
    pkey = own_key.get(host.name)
    sock = open_way(host)
    # Fabric's Config is not safe to share between threads while a Connection copies it.
    with _config_lock:
        connection = _Connection(
            host.address, user=user, port=host.port, config=shared_config, connect_kwargs=_kwargs(pkey, sock)
        )
    trusted = authorities.of(host)
    if trusted:
        connection.client.set_missing_host_key_policy(ByCertificate(host, trusted, accepted))
        connection.connect_kwargs["transport_factory"] = certified([row.algorithm for row in accepted])
    else:
        _pin(connection, host, accepted)
    if with_certificate := own_key.certified():
        connection.connect_kwargs["auth_strategy"] = _BothKeys(user, with_certificate, pkey)
    try:
        with _handshakes:
            connection.open()
    except (BadHostKeyException, AuthenticationException, SSHException, EOFError, OSError) as error:
        shut(connection)
        with suppress(SSHException, EOFError, OSError):
            sock.close()
        raise _explain(host, user, error) from None
    return connection


def _pin(connection: Connection, host: Host, accepted: Iterable[HostKey]) -> None:
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    named = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    for row in accepted:
        connection.client.get_host_keys().add(
            named, row.algorithm, paramiko.PKey.from_type_string(row.algorithm, base64.b64decode(row.key))
        )


def _kwargs(pkey: paramiko.PKey, sock: Socket) -> dict[str, Any]:
    return {
        "pkey": pkey,
        "sock": sock,
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": HANDSHAKE_SECONDS,
        "banner_timeout": HANDSHAKE_SECONDS,
        "auth_timeout": HANDSHAKE_SECONDS,
        "channel_timeout": HANDSHAKE_SECONDS,
        "transport_factory": Transport,
    }


def _explain(host: Host, user: str, error: Exception) -> SSHError:
    name = host.name
    if isinstance(error, NotCertified):
        return error.told
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
    if isinstance(error, AuthenticationException) and not str(error).startswith(_NO_ANSWER):
        return KeyRefused(
            name,
            f"{name} does not let the Deployer's key in as {user}. "
            f"Put the line of `manage.py key show` into ~{user}/.ssh/authorized_keys there.",
        )
    said = str(error) or type(error).__name__
    return HostUnreachable(name, f"{name} ({host.address}:{host.port}) broke off while connecting ({said}).")


def _parse(pair: KeyPair) -> paramiko.PKey:
    return _key_class(pair.public).from_private_key(io.StringIO(private_text(pair)))


def _key_class(public: str) -> type[paramiko.PKey]:
    algorithm = public.split()[0]
    if algorithm == "ssh-ed25519":
        return paramiko.Ed25519Key
    return paramiko.ECDSAKey if algorithm.startswith("ecdsa-") else paramiko.RSAKey
