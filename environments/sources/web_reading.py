"""A document from an address that an administrator has named: bounded in time and size, and not from everywhere.

Addresses of a company's own network are what inventories usually have, so private ones are allowed unless
SOURCE_ADDRESSES says `public`. Those that only machines of a cloud should ask (link-local ones, where its credentials
lie) are never asked, redirects are not followed, and the connection goes to the very address that was looked at.

NotReadable    what happened, and what to do
"""

import base64
import ssl
import time
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError

from environments.sources.listing import NotReadable
from environments.validation import validate_address
from notifications import outgoing

MOST_BYTES = 8 << 20


def check_address(url: str) -> str:
    """What is wrong with it as it is written; "" for nothing."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        validate_address(parts.hostname or "")
    except (ValueError, ValidationError):
        return f"{url[:100]!r} is no web address."
    if parts.scheme not in ("https", "http"):
        return f"{url[:100]!r} must begin with https:// or http://."
    if parts.username is not None or parts.password is not None:
        return "Credentials do not belong into the address; there are fields for them."
    if not url.isprintable() or " " in url:
        return "The address holds characters that no address has."
    return ""


def read(url: str, *, user: str = "", token: str = "", authorities: str = "", seconds: float) -> bytes:
    """The body of a 200 answer. Raises NotReadable."""
    if problem := check_address(url):
        raise NotReadable(problem)
    give_up = time.monotonic() + seconds
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    where = _look_up(host, port)
    numeric = f"[{where}]" if ":" in where else where
    headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= _login(user, token)
    target = parts._replace(netloc=f"{numeric}:{port}", fragment="").geturl()
    trust = _trust(authorities) if parts.scheme == "https" else False
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, verify=trust) as client,
            client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as answer,
        ):
            _judge(url, answer)
            for block in answer.iter_raw(1 << 16):
                body += block
                if len(body) > MOST_BYTES:
                    raise NotReadable(f"{url} is larger than {MOST_BYTES >> 20} MB, which no list of hosts is.")
                if time.monotonic() > give_up:
                    raise NotReadable(f"{url} took longer than {seconds:.0f} s.")
    except httpx.TimeoutException:
        raise NotReadable(f"{url} did not answer within {seconds:.0f} s. Is that server up?") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotReadable(f"{url} could not be read ({str(error) or type(error).__name__}).") from None
    return bytes(body)


def _look_up(host: str, port: int) -> str:
    try:
        return outgoing.look_up(host, port, policy=settings.SOURCE_ADDRESSES)
    except outgoing.AddressRefused as refusal:
        raise NotReadable(
            f"{refusal} SOURCE_ADDRESSES={settings.SOURCE_ADDRESSES} says which are; link-local addresses never are."
        ) from None
    except outgoing.NotReached as error:
        raise NotReadable(str(error)) from None


def _trust(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError):
        raise NotReadable("The certificate of the authority cannot be read. Paste it as PEM.") from None


def _login(user: str, token: str) -> dict[str, str]:
    if not token:
        return {}
    if user:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{token}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"}


def _judge(url: str, answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.OK:
        return
    if answer.is_redirect:
        raise NotReadable(f"{url} redirects, which is not followed. Write the address that it leads to.")
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise NotReadable(f"{url} answers {answer.status_code}: the credentials do not open it.")
    raise NotReadable(f"{url} answers {answer.status_code}; 200 is needed.")
