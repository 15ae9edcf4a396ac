"""What a proxy in front of us says about a visitor is believed only when the proxy itself is one that we trust."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from deployer_site.network import Network

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto")
SECURE_SCHEMES = {"http": "https", "ws": "wss"}


class TrustedProxies:
    """Sets the visitor's address and scheme from X-Forwarded-For and -Proto, and removes these headers.

    The visitor is the last address in the list that is none of ours: everything before it is what the visitor wrote.
    Headers with an underscore go too, since after the servers' usual translation they look like those with a dash.
    """

    def __init__(self, application: Application, *, trusted: Iterable[Network]) -> None:
        self._application, self._trusted = application, tuple(trusted)

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if "headers" in scope:
            scope = {**scope, **self._seen_through_proxy(scope)}
        await self._application(scope, receive, send)

    def _seen_through_proxy(self, scope: Scope) -> dict[str, Any]:
        headers = [(name, text) for name, text in scope["headers"] if b"_" not in name]
        seen: dict[str, Any] = {"headers": [pair for pair in headers if pair[0].lower() not in FORWARDED]}
        client = scope.get("client")
        if not client or not self._trusts(_address(client[0])):
            return seen
        visitor = self._visitor(_words(headers, b"x-forwarded-for"))
        if visitor:
            seen["client"] = [str(visitor), 0]
        if _words(headers, b"x-forwarded-proto")[-1:] == ["https"]:
            scheme = scope.get("scheme", "ws" if scope["type"] == "websocket" else "http")
            seen["scheme"] = SECURE_SCHEMES.get(scheme, scheme)
        return seen

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _visitor(self, chain: list[str]) -> Address | None:
        for text in reversed(chain):
            address = _address(text)
            if not self._trusts(address):
                return address
        return None


def _words(headers: list[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    texts = [text.decode("latin-1") for name, text in headers if name.lower() == wanted]
    return [word.strip() for word in ",".join(texts).split(",") if word.strip()]


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
