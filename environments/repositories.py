"""Git repositories: a cached bare mirror per application, refs resolved to 40 hex digits.

Errors are those of `environments.git`.
"""

import fcntl
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError

from environments.git import (
    Credentials,
    GitHostUnknown,
    RefNotFound,
    RepositoryError,
    RepositoryRefused,
    RepositoryUnreachable,
    check_address,
    credentials,
    environ_of,
    run,
    signed_in,
)
from environments.models import Application
from environments.validation import validate_ref

__all__ = [
    "Commit",
    "Credentials",
    "GitHostUnknown",
    "Ref",
    "RefNotFound",
    "RepositoryError",
    "RepositoryRefused",
    "RepositoryUnreachable",
    "check_address",
    "commits",
    "commits_between",
    "commits_beyond",
    "count_between",
    "credentials",
    "ensure_revision",
    "fetch",
    "files_between",
    "is_hex",
    "is_mirrored",
    "mirror_folder",
    "refs",
    "resolve",
    "resolve_known",
    "size_of",
    "tar_of",
]

FETCH_SECONDS = 20
FIRST_FETCH_SECONDS = 900  # all of the history, instead of what is new
# When the last fetch of a mirror that succeeded began; as large as there are applications.
_fetched: dict[tuple[Path, str], float] = {}
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


def resolve_known(application: Application, ref: str) -> str:
    """The same from the mirror as it is; only one that was never fetched is fetched. Raises RepositoryError."""
    found = _lookup(application, ref) if is_mirrored(application) else ""
    return found or resolve(application, ref)


def ensure_revision(application: Application, revision: str) -> Path:
    """The mirror, holding `revision`. Raises RepositoryError."""
    if not _lookup(application, revision):
        fetch(application)
        if not _lookup(application, revision):
            raise RefNotFound(f"Commit {revision} is no longer in the repository of {application.name}.")
    return mirror_folder(application)


def fetch(application: Application) -> None:
    """Bring the mirror up to date; one at a time per application on this machine. Raises RepositoryError.

    Of many who ask at once in this process, those who wait share the next one: it begins after they have asked.
    """
    asked = time.monotonic()
    check_address(application.repository)
    folder = mirror_folder(application)
    source = (folder, application.repository)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(folder.with_suffix(".lock")), signed_in(application) as (options, environ):
        if _fetched.get(source, 0.0) > asked:
            return
        began = time.monotonic()
        if not (folder / "HEAD").exists():
            run(["init", "--quiet", "--bare", str(folder)], environ=environ)
        refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        seconds = FETCH_SECONDS if _has_refs(folder) else FIRST_FETCH_SECONDS
        command = [*options, "fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules", "--end-of-options"]
        try:
            run([*command, application.repository, *refspecs], folder=folder, environ=environ, seconds=seconds)
        except subprocess.TimeoutExpired:
            raise RepositoryUnreachable(
                f"The repository of {application.name} did not answer within {seconds} s. "
                "Nothing was changed; try again."
            ) from None
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            raise RepositoryUnreachable(
                f"The repository of {application.name} could not be fetched: "
                f"{said[-1] if said else 'git said nothing'}. "
                "Check its address and its key or token."
            ) from None
        _fetched[source] = began


def is_mirrored(application: Application) -> bool:
    """Whether this machine has fetched it once."""
    folder = mirror_folder(application)
    return (folder / "HEAD").exists() and _has_refs(folder)


def _has_refs(folder: Path) -> bool:
    return (folder / "packed-refs").exists() or any((folder / "refs").glob("heads/*"))


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


def commits_beyond(application: Application, base: str, tips: Sequence[str], limit: int = 100) -> list[Commit]:
    """The commits in any of `tips` that are not in `base`, newest first; all of 40 hex digits, `base` may be empty."""
    return _log(application, [*tips, *([f"^{base}"] if base else [])], limit)


def count_between(application: Application, old: str, new: str) -> int:
    return int(_git_read(application, ["rev-list", "--count", "--end-of-options", new, f"^{old}"]) or 0)


def files_between(application: Application, old: str, new: str, limit: int = 200) -> tuple[list[tuple[str, str]], int]:
    """Files that differ (both 40 hex digits): letter (A, M, D, T) and path, at most so many; and how many there are."""
    out = _git_read(application, ["diff", "--name-status", "--no-renames", "-z", "--end-of-options", old, new])
    words = out.split("\0")[:-1]
    return list(zip(words[: 2 * limit : 2], words[1 : 2 * limit : 2], strict=True)), len(words) // 2


def tar_of(application: Application, revision: str) -> subprocess.Popen[bytes]:
    """A process whose standard output is the revision's tree as tar. The mirror must hold the revision."""
    command = ["git", "-c", "tar.umask=0022", "archive", "--format=tar", "--end-of-options", revision]
    return subprocess.Popen(
        command,
        cwd=mirror_folder(application),
        env=environ_of(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def size_of(application: Application, revision: str) -> int:
    """Bytes of all files of a revision, which the mirror gets if it lacks it. Raises RepositoryError."""
    ensure_revision(application, revision)
    out = _git_read(application, ["ls-tree", "-r", "-l", "--full-tree", revision])
    sizes = (line.split(None, 4)[3] for line in out.splitlines())
    return sum(int(size) for size in sizes if size.isdigit())


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
    named = [f"refs/heads/{ref}", f"refs/tags/{ref}"]
    # a whole number is a commit's own for git too, whatever a branch is called; each name asked for is a process
    names = [ref, *named] if len(ref) == 40 and is_hex(ref) else [*named, ref] if is_hex(ref) else named
    for name in names:
        out = _git_read(
            application, ["rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"], check=False
        )
        # rev-parse echoes --end-of-options before the answer in some versions of git
        revision = out.split()[-1] if out.split() else ""
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision
    return ""


def _git_read(application: Application, arguments: Sequence[str], *, check: bool = True) -> str:
    try:
        return run(arguments, folder=mirror_folder(application), environ=environ_of()).decode(errors="replace")
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
