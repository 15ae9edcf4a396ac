"""Requests to addresses that people have typed: bounded in time and size, and not to everywhere.

An address is looked at after its name was resolved, and the connection goes to that very address, so that a name that
says something else a moment later leads nowhere. Redirects are not followed. Those addresses that only machines of a
cloud should ask (link-local ones, where its credentials lie) are never asked.

OutgoingError
├── AddressRefused   it is no web address, or one that is not asked
└── NotReached       nobody answers there, not in time, or not in HTTP
"""

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

import httpx

from notifications.bounded import Late, within

MOST_BYTES = 1 << 16
SECONDS = 10.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
# Where clouds answer machines that have such an address, beside the link-local range.
_CLOUDS = {ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")}
# A network's own way from IPv6 to IPv4 addresses (RFC 6052): what counts is the address that it leads to.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutgoingError(Exception):
    """`str()` says what happened and what to do; never more of an address than its host."""


class AddressRefused(OutgoingError):
    pass


class NotReached(OutgoingError):
    pass


@dataclass(frozen=True)
class Answer:
    """`headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def check_address(url: str, *, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """What is wrong with it as it is written; "" for nothing. Its path is not told again: it may be the secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "That is no web address."
    if parts.scheme not in schemes:
        return f"The address must begin with {' or '.join(f'{one}://' for one in schemes)}."
    if not _is_host(parts.hostname or ""):
        return "The address names no host that could be one."
    if parts.username is not None or parts.password is not None:
        return "Credentials do not belong into the address."
    if not url.isprintable() or not url.isascii() or " " in url or "\\" in url:
        return "The address holds characters that no address has."
    return ""


def allowed(address: str, *, policy: str) -> bool:
    """Whether this numeric address may be asked; `policy`: private (with those of one's own network) or public."""
    found = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if found.is_link_local or found.is_multicast or found.is_unspecified or found in _CLOUDS:
        return False
    if found.is_reserved and not found.is_loopback:
        return False
    return policy == "private" or found.is_global


def look_up(host: str, port: int, *, policy: str) -> str:
    """The address to connect to. All of a name's addresses must be allowed: which one is taken is not ours to say.

    Raises AddressRefused, NotReached.
    """
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotReached(f"Nobody knows the address of {host}. Is it spelt right?") from None
    addresses = [str(row[4][0]) for row in rows]
    for address in addresses:
        if not allowed(address, policy=policy):
            raise AddressRefused(f"{host} is {address}, which is not asked from here.")
    return addresses[0]


def post(
    url: str, body: bytes, *, headers: Mapping[str, str], policy: str, seconds: float = SECONDS, authorities: str = ""
) -> Answer:
    """One POST, over in `seconds` whatever the other side does. Raises AddressRefused, NotReached."""
    if problem := check_address(url):
        raise AddressRefused(problem)
    try:
        return within(seconds, lambda: _post(url, body, headers, policy, seconds, authorities), name="outgoing")
    except Late:
        raise _late(url, seconds) from None


def _post(url: str, body: bytes, headers: Mapping[str, str], policy: str, seconds: float, authorities: str) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    where = look_up(host, port, policy=policy)
    numeric = f"[{where}]" if ":" in where else where
    there = parts._replace(netloc=f"{numeric}:{port}", fragment="").geturl()
    sent = {"Host": parts.netloc, "User-Agent": "Deployer", "Accept-Encoding": "identity", **headers}
    trust = trusted(authorities) if parts.scheme == "https" else False
    found = bytearray()
    try:
        with (
            httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, verify=trust) as client,
            client.stream("POST", there, headers=sent, content=body, extensions={"sni_hostname": host}) as answer,
        ):
            for block in answer.iter_raw(1 << 12):
                found += block
                if len(found) > MOST_BYTES:
                    break  # what it says further is of no interest
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status_code, names, bytes(found[:MOST_BYTES]))
    except httpx.TimeoutException:
        raise _late(url, seconds) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReached(f"{host} cannot be reached ({_told(error)}). Is it up, and its address right?") from None


@cache
def trusted(authorities: str) -> ssl.SSLContext:
    """Those authorities (PEM), or those of this machine. Reading the latter takes long. Raises AddressRefused."""
    try:
        return ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError):
        raise AddressRefused("The certificate of the authority cannot be read. Paste it as PEM.") from None


def _meant(address: Address) -> Address:
    """The IPv4 address within one that only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is None and address.teredo:
            within = address.teredo[1]
        if within is None and address in _NAT64:
            within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return within or address
    return address


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_NAME.fullmatch(host)) and ".." not in host
    return True


def _told(error: Exception) -> str:
    """Never the whole text of an answer, which an error may hold."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "it does not speak HTTP"
    return str(error)[:150] or type(error).__name__


def _late(url: str, seconds: float) -> NotReached:
    host = urlsplit(url).hostname
    return NotReached(f"{host} did not answer within {seconds:.0f} s. Is it up, and reachable from here?")
