"""One request to a Vault, bounded in time and size whatever the other side does; its answers as plain values.

The API is that of HashiCorp's Vault, which OpenBao speaks too: X-Vault-Token and X-Vault-Namespace, JSON both ways,
errors as {"errors": [...]}, of which nothing is told again but those words.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from environments.secret_stores.errors import NotFetched
from notifications import outgoing
from notifications.bounded import Late, within

MOST_BYTES = 1 << 20
SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """Where it is, and by which authority its certificate is trusted; "" for those of this machine."""

    address: str
    namespace: str = ""
    authorities: str = field(default="", repr=False)


@dataclass(frozen=True, repr=False)
class Answer:
    """`said` is {} where the body is empty; a body that is no JSON object is refused before."""

    status: int
    said: Mapping[str, Any]

    @property
    def errors(self) -> str:
        """Its own words, shortened."""
        found = self.said.get("errors")
        words = [str(one) for one in found if isinstance(one, str)] if isinstance(found, list) else []
        return "; ".join(" ".join(word.split()) for word in words)[:200]


def ask(
    server: Server,
    method: str,
    path: str,
    *,
    token: str = "",
    body: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """`path` below /v1/, quoted. Raises NotFetched where nothing comes that could be understood."""
    try:  # what drips bytes is never silent for long, so only who waits outside can say that it is enough
        return within(seconds, lambda: _ask(server, method, path, token, body, seconds), name="vault")
    except Late:
        raise _late(server, seconds) from None


def _ask(server: Server, method: str, path: str, token: str, body: Mapping[str, str] | None, seconds: float) -> Answer:
    parts = urlsplit(server.address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    where = _look_up(host, port)
    numeric = f"[{where}]" if ":" in where else where
    url = parts._replace(netloc=f"{numeric}:{port}", path=f"{parts.path.rstrip('/')}/v1/{path}").geturl()
    headers = {"Host": parts.netloc, "X-Vault-Request": "true", "Accept-Encoding": "identity"}
    headers |= {"X-Vault-Token": token} if token else {}
    headers |= {"X-Vault-Namespace": server.namespace} if server.namespace else {}
    trust = _trust(server.authorities) if parts.scheme == "https" else False
    found = bytearray()
    try:
        with (
            httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, verify=trust) as client,
            client.stream(method, url, headers=headers, json=body, extensions={"sni_hostname": host}) as answer,
        ):
            for block in answer.iter_raw(1 << 16):
                found += block
                if len(found) > MOST_BYTES:
                    raise NotFetched(f"{server.address} answers more than {MOST_BYTES >> 20} MB. Is that a Vault?")
            if answer.is_redirect:
                raise NotFetched(
                    f"{server.address} redirects, which is not followed. Write the address of the active Vault, or of "
                    "what stands before it."
                )
            return Answer(answer.status_code, _object(server, answer.status_code, bytes(found)))
    except httpx.TimeoutException:
        raise _late(server, seconds) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotFetched(
            f"{server.address} cannot be reached ({_told(error)}). Is it up, and its address right?"
        ) from None


def _told(error: Exception) -> str:
    """Never the whole text of an answer, which an error may hold."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "it does not speak HTTP"
    return str(error)[:150] or type(error).__name__


def _late(server: Server, seconds: float) -> NotFetched:
    return NotFetched(f"{server.address} did not answer within {seconds:.0f} s. Is it up, and reachable from here?")


def _object(server: Server, status: int, body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotFetched(f"{server.address} answers {status} and no JSON object. Is that a Vault?")
    return found


def _look_up(host: str, port: int) -> str:
    try:
        return outgoing.look_up(host, port, policy="private")
    except outgoing.AddressRefused as refusal:
        raise NotFetched(f"{refusal} No Vault has such an address.") from None
    except outgoing.NotReached as error:
        raise NotFetched(str(error)) from None


def _trust(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError):
        raise NotFetched("The certificate of the authority cannot be read. Paste it as PEM.") from None
