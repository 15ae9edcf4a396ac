"""One request to a provider, bounded in time and size whatever the other side does, and never led elsewhere.

Companies have providers in their own networks, so private addresses are asked; those where clouds keep credentials
never are, redirects are not followed, and the connection goes to the very address that was looked at. Plain http is for
trying out, on this machine alone.
"""

import ipaddress
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from environments.providers.errors import NoAnswer
from environments.sources.web_reading import check_address
from notifications import outgoing
from notifications.bounded import Late, within

MOST_BYTES = 1 << 20
SECONDS = 5.0
_AT_ONCE = threading.BoundedSemaphore(8)  # a slow provider must not take all threads of the web process


@dataclass(frozen=True, repr=False)
class Answer:
    """`said` is {} where the body is empty or is no JSON object."""

    status: int
    said: Mapping[str, Any] = field(default_factory=dict)


def problem_of(url: str) -> str:
    """What is wrong with an address of a provider as it is written; "" for nothing."""
    if problem := check_address(url):
        return problem
    parts = urlsplit(url)
    if parts.fragment:
        return f"{url[:100]!r} has a part after #, which no address of a provider has."
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        return f"{url[:100]!r} must begin with https://: whoever reads along could sign in as anybody."
    return ""


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ask(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    authorities: str = "",
    seconds: float = SECONDS,
) -> Answer:
    """GET, or POST of a form. Raises NoAnswer where nothing comes, or too much, or it leads elsewhere."""
    if problem := problem_of(url):
        raise NoAnswer(problem)
    if not _AT_ONCE.acquire(timeout=min(1.0, seconds)):
        raise NoAnswer("Too many wait for the provider already. Try again in a moment.")

    def work() -> Answer:
        try:
            return _ask(url, form, headers or {}, authorities, seconds)
        finally:
            _AT_ONCE.release()

    try:  # what drips bytes is never silent for long, so only who waits outside can say that it is enough
        return within(seconds, work, name="provider")
    except Late:
        raise _late(url, seconds) from None


def _ask(
    url: str, form: Mapping[str, str] | None, headers: Mapping[str, str], authorities: str, seconds: float
) -> Answer:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        where = outgoing.look_up(host, port, policy="private")
        trust = outgoing.trusted(authorities) if parts.scheme == "https" else False
    except outgoing.OutgoingError as error:
        raise NoAnswer(str(error)) from None
    numeric = f"[{where}]" if ":" in where else where
    target = parts._replace(netloc=f"{numeric}:{port}").geturl()
    sent = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity", **headers}
    found, give_up = bytearray(), time.monotonic() + seconds
    try:
        with (
            httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False, verify=trust) as client,
            client.stream(
                "POST" if form is not None else "GET",
                target,
                headers=sent,
                data=dict(form) if form is not None else None,
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            for block in answer.iter_raw():  # as it comes: a chunk that fills slowly would hide the time
                found += block
                if time.monotonic() > give_up:
                    raise _late(url, seconds)
                if len(found) > MOST_BYTES:
                    raise NoAnswer(f"{url} answers more than {MOST_BYTES >> 20} MB. Is that a provider?")
            if answer.is_redirect:
                raise NoAnswer(f"{url} redirects, which is not followed. Write the address that it leads to.")
            return Answer(answer.status_code, _object(bytes(found)))
    except httpx.TimeoutException:
        raise _late(url, seconds) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(f"{url} cannot be reached ({_told(error)}). Is it up, and its address right?") from None


def _told(error: Exception) -> str:
    """Never the whole text of an answer, which an error may hold."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "it does not speak HTTP"
    return str(error)[:150] or type(error).__name__


def _late(url: str, seconds: float) -> NoAnswer:
    return NoAnswer(f"{url} did not answer within {seconds:.0f} s. Is it up, and reachable from here?")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
