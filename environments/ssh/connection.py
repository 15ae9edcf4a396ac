"""One connection to a host: pinned keys, our key alone, and a clear word when it fails."""

import base64
import io
import socket
import threading
from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, IncompatiblePeer, SSHException

from environments.keys import active_key_pair, private_text
from environments.models import Host, HostKey
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

_config_lock = threading.Lock()
_config = Config(overrides={"load_ssh_configs": False})
_keys: dict[int, paramiko.PKey] = {}


def connect(host: Host, user: str) -> Connection:
    """Signed in, with a host key that a person has accepted. Raises SSHError."""
    accepted = list(HostKey.objects.filter(host=host))
    if not accepted:
        raise HostKeyUnknown(
            host.name,
            f"Nobody has accepted a host key of {host.name}, so nothing was sent to it. "
            f"Run `manage.py hostkey scan {host.name}`, compare the fingerprint and accept it.",
        )
    pkey = _private_key(host.name)
    sock = open_socket(host.name, host.address, host.port)
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
        "transport_factory": Transport,
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
    if isinstance(error, AuthenticationException) and not str(error).startswith(_NO_ANSWER):
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
