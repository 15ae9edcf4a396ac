"""Git, run so that nobody is asked, nothing foreign is read and no secret shows in arguments or environment.

Errors:

    RepositoryError
    ├── RepositoryRefused       the address is not allowed here
    ├── GitHostUnknown          no accepted key of the git host
    ├── RepositoryUnreachable   git could not fetch
    └── RefNotFound             no such branch, tag or commit
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from environments.models import Application, GitHostKey
from environments.sealed import unseal
from environments.validation import repository_host, validate_repository

READ_SECONDS = 20


class RepositoryError(Exception):
    """Something about a repository; `str()` is the sentence for every door."""


class RepositoryRefused(RepositoryError):
    pass


class GitHostUnknown(RepositoryError):
    pass


class RepositoryUnreachable(RepositoryError):
    pass


class RefNotFound(RepositoryError):
    pass


@dataclass(frozen=True)
class Credentials:
    """What a host needs to fetch by itself; everything is empty for an open repository."""

    key: str
    known_hosts: str
    user: str
    token: str


def check_address(repository: str) -> None:
    """Raises RepositoryRefused unless the address may be used here, now."""
    try:
        validate_repository(repository)
    except ValidationError as error:
        raise RepositoryRefused(error.messages[0]) from None
    parts = urlsplit(repository)
    if parts.scheme != "file":
        return
    path = Path(unquote(parts.path)).resolve()
    roots = [Path(root).resolve() for root in settings.REPOSITORY_ROOTS]
    if not any(path.is_relative_to(root) for root in roots):
        raise RepositoryRefused(
            f"{repository} lies outside the folders that REPOSITORY_ROOTS allows for file:// repositories. "
            "Add its folder there, or use another address."
        )


def credentials(application: Application) -> Credentials:
    """Raises GitHostUnknown, CannotOpen."""
    known = ""
    host = repository_host(application.repository)
    if host:
        keys = list(GitHostKey.objects.filter(host=host).order_by("id"))
        if not keys:
            raise GitHostUnknown(
                f"No key of the git host {host} has been accepted. "
                f"Run `manage.py hostkey scan --git {host}`, compare the fingerprint and accept it."
            )
        known = "".join(f"{key.host} {key.algorithm} {key.key}\n" for key in keys)
    return Credentials(
        key=unseal(application.deploy_key),
        known_hosts=known,
        user=application.https_user,
        token=unseal(application.https_token),
    )


# GIT_SSL_CAINFO: who runs the Deployer names the authorities that it trusts, for a git host with one of their own.
KEPT = ("PATH", "LANG", "TMPDIR", "GIT_SSL_CAINFO")


def environ_of(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    return (
        kept
        | {
            "HOME": "/nonexistent",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        | more
    )


def run(
    arguments: Sequence[str], *, folder: Path | None = None, environ: dict[str, str], seconds: int = READ_SECONDS
) -> bytes:
    done = subprocess.run(
        ["git", "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=True,
    )
    return done.stdout


@contextmanager
def signed_in(application: Application) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Options and environment for a fetch; secrets are 0600 files while it lasts, never in argv or environ."""
    needed = credentials(application)
    with tempfile.TemporaryDirectory(prefix="deployer-git-") as name:
        folder = Path(name)
        options: list[str] = []
        # ssh reads no configuration and asks nobody; without a key it has none to offer
        ssh = [
            "ssh",
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]
        ssh += [
            "-o",
            "GlobalKnownHostsFile=/dev/null",
            "-o",
            f"UserKnownHostsFile={_private(folder, 'known_hosts', needed.known_hosts)}",
        ]
        ssh += ["-o", "ConnectTimeout=10", "-i", str(_private(folder, "key", needed.key))]
        if needed.token:
            parts = urlsplit(application.repository)
            secret = f"{quote(needed.user or 'token', safe='')}:{quote(needed.token, safe='')}@{parts.netloc}"
            store = _private(folder, "store", urlunsplit((parts.scheme, secret, "", "", "")) + "\n")
            options = ["-c", f"credential.helper=store --file={store}"]
        yield options, environ_of(GIT_SSH_COMMAND=shlex.join(ssh))


def _private(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    return path
