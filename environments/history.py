"""What a repository's history says of a commit, in the cached mirror as it is. All revisions are 40 hex digits.

What the mirror lacks is not known, which is told as None; other errors are RepositoryError.
"""

import subprocess
from collections.abc import Sequence

from environments.git import RepositoryError, environ_of, run
from environments.models import Application
from environments.repositories import mirror_folder

# A merge on their page is committed by the git host itself.
_HOSTS = ("noreply@github.com", "noreply@gitlab.com")
_NO = 1  # git's exit code where the answer is no; what it cannot tell has others
MOST_MESSAGE = 10_000


def contains(application: Application, revision: str, older: str) -> bool | None:
    """Whether `revision` is `older`, or has it among its ancestors; None where either is not known."""
    if revision == older:
        return True
    return _asked(application, ["merge-base", "--is-ancestor", "--end-of-options", older, revision])


def is_older(application: Application, revision: str, other: str) -> bool:
    """Whether `revision` is a strict ancestor of `other`."""
    return revision != other and contains(application, other, revision) is True


def branches_with(application: Application, revision: str) -> list[str]:
    """Branches that contain it, and tags that point to it."""
    branches = _read(
        application, "for-each-ref", "--format=%(refname:lstrip=2)", f"--contains={revision}", "refs/heads"
    )
    tags = _read(application, "for-each-ref", "--format=%(refname:lstrip=2)", f"--points-at={revision}", "refs/tags")
    return [*branches.splitlines(), *tags.splitlines()]


def message_of(application: Application, revision: str) -> str:
    return _read(application, "log", "-1", "--format=%B", "--end-of-options", revision)[:MOST_MESSAGE]


def committer_of(application: Application, revision: str) -> str:
    """Who committed it, by name; the author where a git host committed for them."""
    out = _read(application, "log", "-1", "--format=%cn%x00%ce%x00%an", "--end-of-options", revision)
    name, address, author = (*out.strip().split("\0", 2), "", "")[:3]
    chosen = author if address.lower() in _HOSTS else name
    return " ".join("".join(letter if letter.isprintable() else " " for letter in chosen).split())[:200]


def touches(application: Application, old: str, new: str, globs: Sequence[str]) -> bool | None:
    """Whether any file that fits the globs differs between the two; None where one is not known."""
    pathspecs = [f":(top,glob){glob}" for glob in globs]
    same = _asked(application, ["diff", "--quiet", "--no-renames", "--end-of-options", old, new, "--", *pathspecs])
    return None if same is None else not same


def _read(application: Application, *arguments: str) -> str:
    try:
        return run(arguments, folder=mirror_folder(application), environ=environ_of()).decode(errors="replace")
    except subprocess.CalledProcessError as error:
        raise _unreadable(application, error) from None


def _asked(application: Application, arguments: Sequence[str]) -> bool | None:
    try:
        run(arguments, folder=mirror_folder(application), environ=environ_of())
    except subprocess.CalledProcessError as error:
        return False if error.returncode == _NO else None
    return True


def _unreadable(application: Application, error: subprocess.CalledProcessError) -> RepositoryError:
    said = (error.stderr or b"").decode(errors="replace").strip()
    return RepositoryError(f"The cached repository of {application.name} could not be read: {said}")
