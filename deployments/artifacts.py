"""Builds made elsewhere: fetch one once, check it, and never leave the address that was named.

ArtifactError
├── NotBuiltYet           the server has no build, or no checksum, of this revision
├── ArtifactNotAnswered   the server takes too long to say whether it has
└── ArtifactRefused       it cannot be fetched, is not what its checksum says, or is too large
"""

import base64
import gzip
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast
from urllib.parse import urljoin, urlsplit

import httpx
import zstandard
from django.conf import settings
from django.core.exceptions import ValidationError

from environments.models import Application
from environments.sealed import unseal
from environments.validation import validate_artifact

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst")
REDIRECTS_MOST = 3
WAIT_SECONDS = 10.0  # for a connection, and for each piece
CHECKSUM_MOST = 1 << 16
_BLOCK = 1 << 18


class ArtifactError(Exception):
    """`str()` tells the address, what happened, and what to do."""


class NotBuiltYet(ArtifactError):
    pass


class ArtifactNotAnswered(ArtifactError):
    pass


class ArtifactRefused(ArtifactError):
    pass


def address_of(application: Application, revision: str) -> str:
    return application.artifact_url.replace("{sha}", revision)


def checksum_address_of(application: Application, revision: str) -> str:
    given = application.artifact_sha256_url.replace("{sha}", revision)
    return given or f"{address_of(application, revision)}.sha256"


def read_checksum(application: Application, revision: str, *, seconds: float = WAIT_SECONDS) -> str:
    """The sha256 that the build must have: the first word of its checksum file. Raises ArtifactError."""
    url = checksum_address_of(application, revision)
    with _answer(application, revision, url, seconds) as answer:
        text = b""
        for block in answer.iter_bytes(1 << 12):
            text += block
            if len(text) > CHECKSUM_MOST:
                break
    found = re.match(r"\s*\\?([0-9a-fA-F]{64})(?:\s|$)", text.decode("latin-1"))
    if found is None:
        raise ArtifactRefused(
            f"{url} holds no SHA-256. It must begin with 64 hex digits, as sha256sum prints them. Nothing was deployed."
        )
    return str(found[1]).lower()


def require_build(application: Application, revision: str, *, seconds: float) -> None:
    """Whether the build lies beside its checksum, by a HEAD request. Raises NotBuiltYet."""
    try:
        with _answer(application, revision, address_of(application, revision), seconds, method="HEAD"):
            pass
    except NotBuiltYet as error:
        raise NotBuiltYet(f"{error} Its checksum is there, so the address of the build may be wrong.") from None
    except ArtifactRefused:
        pass  # many a server takes no HEAD; what is wrong besides, the download tells


def download(application: Application, revision: str, to: Path) -> None:
    """Fetch the build, whole and with the right checksum, or not at all. Raises ArtifactError."""
    wanted = read_checksum(application, revision)
    url, limit = address_of(application, revision), settings.ARTIFACT_MOST_MB << 20
    give_up = time.monotonic() + settings.ARTIFACT_SECONDS
    sha, size = hashlib.sha256(), 0
    try:
        with _answer(application, revision, url, WAIT_SECONDS) as answer, to.open("wb") as out:
            for block in answer.iter_raw(_BLOCK):
                size += len(block)
                if size > limit:
                    raise ArtifactRefused(f"{url} is larger than ARTIFACT_MOST_MB={settings.ARTIFACT_MOST_MB} allows.")
                if time.monotonic() > give_up:
                    raise ArtifactRefused(
                        f"{url} took longer than ARTIFACT_SECONDS={settings.ARTIFACT_SECONDS} allows."
                    )
                sha.update(block)
                out.write(block)
        if sha.hexdigest() != wanted:
            raise ArtifactRefused(
                f"{url} has the SHA-256 {sha.hexdigest()}, but its checksum file says {wanted}. Nothing was deployed. "
                "Was it built again, or is it still being uploaded? Then deploy again; otherwise someone changed it."
            )
    except BaseException:
        to.unlink(missing_ok=True)
        raise


@contextmanager
def _answer(
    application: Application, revision: str, url: str, seconds: float, method: str = "GET"
) -> Iterator[httpx.Response]:
    """A good answer, after redirects; credentials go to the host of the first address only."""
    check(application)
    own, token = urlsplit(url), unseal(application.artifact_token)
    with httpx.Client(timeout=seconds, follow_redirects=False, trust_env=False) as client:
        for _ in range(REDIRECTS_MOST + 1):
            here = urlsplit(url)
            known = token and (here.scheme, here.netloc) == (own.scheme, own.netloc)
            headers = {"Accept-Encoding": "identity"} | (_login(application, token) if known else {})
            try:
                with client.stream(method, url, headers=headers) as answer:
                    if answer.is_redirect:
                        url = _next(url, answer)
                        continue
                    _judge(application, revision, url, answer)
                    yield answer
                    return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = str(error) or type(error).__name__
                raise ArtifactRefused(f"{url} could not be read ({said}). Is that server up?") from None
    raise ArtifactRefused(f"{own.geturl()} redirects more than {REDIRECTS_MOST} times.")


def _next(url: str, answer: httpx.Response) -> str:
    """Where a redirect leads: from https only to https, and never to a file."""
    to = urljoin(url, str(answer.headers.get("location", "")))
    if urlsplit(to).scheme not in {"https", urlsplit(url).scheme}:
        raise ArtifactRefused(f"{url} redirects to {to}, which is less safe; it is not followed.")
    return to


def _login(application: Application, token: str) -> dict[str, str]:
    if application.artifact_user:
        pair = base64.b64encode(f"{application.artifact_user}:{token}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {token}"}


def _judge(application: Application, revision: str, url: str, answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.OK:
        return
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise NotBuiltYet(
            f"There is no build of {revision[:7]} yet: {url} is not there. Wait for the build, or start it."
        )
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ArtifactRefused(
            f"{url} answers {answer.status_code}: the credentials of {application.name} do not open it. "
            "Set its artifact user and token in the settings."
        )
    raise ArtifactRefused(f"{url} answers {answer.status_code}; the Deployer needs 200.")


def check(application: Application) -> None:
    """Can builds of this application be fetched at all? Raises ArtifactRefused."""
    try:
        for address in filter(None, (application.artifact_url, application.artifact_sha256_url)):
            validate_artifact(address)
    except ValidationError as error:
        raise ArtifactRefused(error.messages[0]) from None
    if not application.artifact_url.endswith(SUFFIXES):
        raise ArtifactRefused(
            f"The builds of {application.name} need an address that ends with {', '.join(SUFFIXES)}. "
            "Set its artifact URL in the settings."
        )


@contextmanager
def unpacked(application: Application, path: Path) -> Iterator[IO[bytes]]:
    """The tar in a build that was downloaded to `path`."""
    with path.open("rb") as packed:
        if application.artifact_url.endswith(".zst"):
            yield zstandard.ZstdDecompressor().stream_reader(packed)
        elif application.artifact_url.endswith("gz"):
            with gzip.open(packed) as plain:
                yield cast("IO[bytes]", plain)
        else:
            yield packed
