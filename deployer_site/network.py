"""Settings that name addresses: our own, the proxies in front of us, the message broker."""

import ipaddress
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from deployer_site.environ import read_list, read_text, refuse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Below the ports that systems give to outgoing connections (from 32768 on Linux), so that a restart finds it free.
VALKEY_PORTS = range(20000, 32000)


def read_base_url(name: str, *, default: str) -> str:
    """Scheme, host and port under which browsers reach us, without a path: `https://deploy.example.com`."""
    text = read_text(name, default=default).rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        refuse(name, what=f"{text!r} is not an address like https://deploy.example.com (no path).")
    return text


def read_networks(name: str, *, default: tuple[str, ...] = ()) -> list[Network]:
    networks: list[Network] = []
    for text in read_list(name, default=default):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            refuse(name, what=f"{text!r} is not an address like 10.0.0.5 or 10.0.0.0/24.")
    return networks


def read_redis_url(name: str, url: str) -> str:
    """`url` itself when it names a Redis over TCP or TLS; empty stays empty."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
        database = parts.path.strip("/")
    except ValueError:
        valid, database = False, ""
    if not valid or (database and not database.isdigit()):
        refuse(name, what="it is not an address like redis://:password@host:6379/0 or rediss://….")
    return url


def read_place(name: str, *, port: int) -> tuple[str, int] | None:
    """`host`, `host:port` or `[::1]:port`; None when nothing is set."""
    text = read_text(name)
    if not text:
        return None
    try:
        parts = urlsplit(f"//{text}")
        host, found = parts.hostname or "", parts.port or port
    except ValueError:
        host, found = "", 0
    if not host or parts.path or parts.query or parts.username is not None:
        refuse(name, what=f"{text!r} is not a place like statsd.example.com:{port}.")
    return host, found


def read_web_address(name: str, url: str) -> str:
    """`url` itself when it is one over http or https; empty stays empty. It may hold a password, so it is not told."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if url and not valid:
        refuse(name, what="it is not an address like https://graphite.example.com/events/.")
    return url


@dataclass(frozen=True)
class MailServer:
    """How mail is sent; without a host it is not."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


_MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def read_mail_server(name: str, url: str) -> MailServer:
    """`smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`; empty: no mail is sent."""
    if not url:
        return MailServer()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _MAIL_PORTS and bool(parts.hostname) and parts.port != 0
        port = parts.port or _MAIL_PORTS.get(parts.scheme, 0)
    except ValueError:
        valid, port = False, 0
    if not valid or parts.path.strip("/") or parts.query or parts.fragment:
        refuse(name, what="it is not an address like smtp+starttls://user:password@mail.example.com:587.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(
        parts.hostname or "", port, user, password, parts.scheme == "smtp+starttls", parts.scheme == "smtps"
    )


def valkey_url() -> str:
    """A new address for the bundled Valkey: loopback, a port that is free now, a password that nobody has seen."""
    return f"redis://:{secrets.token_urlsafe(32)}@127.0.0.1:{find_free_port()}/0"


def find_free_port() -> int:
    while True:
        port = secrets.choice(VALKEY_PORTS)
        if is_free("127.0.0.1", port):
            return port


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
