"""Git repositories: a cached bare mirror per application, refs resolved to 40 hex digits.

Errors:

    RepositoryError
    ├── RepositoryRefused       the address is not allowed here
    ├── GitHostUnknown          no accepted key of the git host
    ├── RepositoryUnreachable   git could not fetch
    └── RefNotFound             no such branch, tag or commit
"""

import fcntl
import os
import re
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
from environments.validation import repository_host, validate_ref, validate_repository

FETCH_SECONDS = 20
READ_SECONDS = 20
_HEX = re.compile(r"[0-9a-f]{7,40}")
_REF_FIELDS = "%1f".join(  # an annotated tag has its commit's facts under a star
    (
        "%(refname:lstrip=2)",
        "%(objectname)",
        "%(*objectname)",
        "%(creatordate:iso-strict)",
        "%(authorname)%(*authorname)",
        "%(subject)",
    )
)
_FIELDS = "%H%x1f%an%x1f%aI%x1f%s"


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
class Commit:
    revision: str
    author: str
    at: str
    subject: str


@dataclass(frozen=True)
class Ref:
    kind: str  # branch, tag, commit
    name: str
    commit: Commit


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
            f"{repository} lies outside the folders that REPOSITORY_ROOTS allows for file:// repositories."
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


def mirror_folder(application: Application) -> Path:
    return Path(settings.VAR) / "mirrors" / f"{application.pk}.git"


def resolve(application: Application, ref: str) -> str:
    """The 40 hex digits that `ref` (branch, tag or commit) means now. Raises RepositoryError."""
    try:
        validate_ref(ref)
    except ValidationError as error:
        raise RefNotFound(error.messages[0]) from None
    if len(ref) == 40 and _HEX.fullmatch(ref) and _lookup(application, ref):
        return ref
    fetch(application)
    found = _lookup(application, ref)
    if not found:
        raise RefNotFound(f"{application.name} has no branch, tag or commit named {ref!r}. Nothing was changed.")
    return found


def ensure_revision(application: Application, revision: str) -> Path:
    """The mirror, holding `revision`. Raises RepositoryError."""
    if not _lookup(application, revision):
        fetch(application)
        if not _lookup(application, revision):
            raise RefNotFound(f"Commit {revision} is no longer in the repository of {application.name}.")
    return mirror_folder(application)


def fetch(application: Application) -> None:
    """Bring the mirror up to date; one at a time per application on this machine. Raises RepositoryError."""
    check_address(application.repository)
    folder = mirror_folder(application)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(folder.with_suffix(".lock")), _signed_in(application) as (options, environ):
        if not (folder / "HEAD").exists():
            _git(["init", "--quiet", "--bare", str(folder)], environ=environ)
        refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        command = [*options, "fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--end-of-options"]
        try:
            _git([*command, application.repository, *refspecs], folder=folder, environ=environ, seconds=FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            raise RepositoryUnreachable(
                f"The repository of {application.name} did not answer within {FETCH_SECONDS} s. "
                "Nothing was changed; try again."
            ) from None
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            raise RepositoryUnreachable(
                f"The repository of {application.name} could not be fetched: "
                f"{said[-1] if said else 'git said nothing'}. "
                "Check its address and its key or token."
            ) from None


def refs(application: Application, query: str = "", limit: int = 20) -> list[Ref]:
    """Branches (newest first), then tags, whose name contains `query`, and the commit that it is a prefix of.

    Reads the mirror as it is; call `fetch` before for what is new.
    """
    if not mirror_folder(application).exists():
        return []
    found: list[Ref] = []
    wanted = query.lower()
    for kind, prefix in (("branch", "refs/heads"), ("tag", "refs/tags")):
        out = _git_read(application, ["for-each-ref", "--sort=-creatordate", f"--format={_REF_FIELDS}", prefix])
        for line in out.splitlines():
            name, direct, peeled, at, author, subject = line.split("\x1f")
            if wanted in name.lower() and len(found) < limit:
                found.append(Ref(kind, name, Commit(peeled or direct, author, at, subject)))
    if _HEX.fullmatch(wanted):
        revision = _lookup(application, wanted)
        if revision:
            found.insert(0, Ref("commit", revision, commits(application, revision, limit=1)[0]))
    return found[:limit]


def commits(application: Application, revision: str, limit: int = 50) -> list[Commit]:
    """`revision` and its ancestors, newest first."""
    return _log(application, [revision], limit)


def commits_between(application: Application, old: str, new: str, limit: int = 100) -> list[Commit]:
    """The commits in `new` that are not in `old` (both 40 hex digits), newest first."""
    return _log(application, [new, f"^{old}"], limit)


def count_between(application: Application, old: str, new: str) -> int:
    return int(_git_read(application, ["rev-list", "--count", "--end-of-options", new, f"^{old}"]) or 0)


def tar_of(application: Application, revision: str) -> subprocess.Popen[bytes]:
    """A process whose standard output is the revision's tree as tar. The mirror must hold the revision."""
    command = ["git", "archive", "--format=tar", "--end-of-options", revision]
    return subprocess.Popen(
        command,
        cwd=mirror_folder(application),
        env=_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def is_hex(ref: str) -> bool:
    """Whether a ref is a commit's own number rather than a name."""
    return bool(_HEX.fullmatch(ref))


def _log(application: Application, revisions: Sequence[str], limit: int) -> list[Commit]:
    out = _git_read(
        application, ["log", f"--max-count={limit}", f"--format={_FIELDS}", "--end-of-options", *revisions, "--"]
    )
    return [Commit(*line.split("\x1f", 3)) for line in out.splitlines() if line.count("\x1f") == 3]


def _lookup(application: Application, ref: str) -> str:
    """The commit that `ref` names in the mirror, or ""."""
    if not mirror_folder(application).exists():
        return ""
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}", *([ref] if _HEX.fullmatch(ref) else [])]
    for name in names:
        out = _git_read(
            application, ["rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"], check=False
        )
        # rev-parse echoes --end-of-options before the answer in some versions of git
        revision = out.split()[-1] if out.split() else ""
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision
    return ""


def _environ(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
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


def _git(
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


def _git_read(application: Application, arguments: Sequence[str], *, check: bool = True) -> str:
    try:
        return _git(arguments, folder=mirror_folder(application), environ=_environ()).decode(errors="replace")
    except subprocess.CalledProcessError as error:
        if not check:
            return ""
        said = error.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"The cached repository of {application.name} could not be read: {said}") from None


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _signed_in(application: Application) -> Iterator[tuple[list[str], dict[str, str]]]:
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
        yield options, _environ(GIT_SSH_COMMAND=shlex.join(ssh))


def _private(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    return path
