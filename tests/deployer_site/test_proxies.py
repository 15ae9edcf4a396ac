import ipaddress
from typing import Any

import pytest

from deployer_site.proxies import TrustedProxies

TRUSTED = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")]


async def seen(
    client: str, headers: list[tuple[str, str]], *, trusted: list[Any] = TRUSTED, kind: str = "http"
) -> dict[str, Any]:
    """What the application behind sees of a request from `client`."""
    found: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope)

    scope = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "client": [client, 4711],
        "headers": [(name.encode(), text.encode()) for name, text in headers],
    }
    await TrustedProxies(application, trusted=trusted)(scope, None, None)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("proxy", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_a_trusted_proxy_is_believed(proxy: str) -> None:
    scope = await seen(proxy, [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")])
    assert scope["client"][0] == "203.0.113.7"
    assert scope["scheme"] == "https"


async def test_nobody_else_is_believed() -> None:
    scope = await seen("198.51.100.9", [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")])
    assert scope["client"][0] == "198.51.100.9"
    assert scope["scheme"] == "http"
    assert scope["headers"] == []


async def test_without_a_proxy_nobody_is_believed() -> None:
    scope = await seen("127.0.0.1", [("x-forwarded-for", "203.0.113.7")], trusted=[])
    assert scope["client"][0] == "127.0.0.1"


@pytest.mark.parametrize(
    "chain",
    [
        [("x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.9")],
        [("x-forwarded-for", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.7")],
    ],
)
async def test_what_the_visitor_wrote_in_front_is_not_believed(chain: list[tuple[str, str]]) -> None:
    assert (await seen("10.0.0.1", chain))["client"][0] == "203.0.113.7"


@pytest.mark.parametrize("text", ["", "unknown", "1.2.3.4, not-an-address"])
async def test_an_address_that_is_none_leaves_the_proxy_as_the_visitor(text: str) -> None:
    assert (await seen("10.0.0.1", [("x-forwarded-for", text)]))["client"][0] == "10.0.0.1"


async def test_headers_with_an_underscore_do_not_pass() -> None:
    scope = await seen("127.0.0.1", [("x_forwarded_for", "1.1.1.1"), ("x_remote_user", "ada"), ("accept", "*/*")])
    assert scope["headers"] == [(b"accept", b"*/*")]
    assert scope["client"][0] == "127.0.0.1"


async def test_a_web_socket_through_tls_is_secure_too() -> None:
    scope = await seen("127.0.0.1", [("x-forwarded-proto", "https")], kind="websocket")
    assert scope["scheme"] == "wss"
