"""The git repositories of the demo's applications: bare, with weeks of history, made at the first start.

RepositoryError     git could not make one; the text holds what git said
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.demo.applications.pricing_api import history as pricing_api
from environments.demo.applications.storefront import history as storefront
from environments.demo.history import MAIN, Commit, fast_import

STOREFRONT, PRICING_API = "storefront", "pricing-api"


class RepositoryError(Exception):
    """A demo repository could not be made."""


@dataclass(frozen=True)
class _Source:
    commits: Sequence[Commit]
    folder: Path


SOURCES = {
    STOREFRONT: _Source(storefront.COMMITS, Path(storefront.__file__).parent),
    PRICING_API: _Source(pricing_api.COMMITS, Path(pricing_api.__file__).parent),
}


def ensure_repositories(folder: Path, *, now: float | None = None) -> dict[str, Path]:
    """Make the repositories that are missing, and say where each is. Dates are told from `now` (seconds since 1970)."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = int(time.time() if now is None else now)
    paths = {name: folder / f"{name}.git" for name in SOURCES}
    for name, path in paths.items():
        if not path.exists():
            _make(path, SOURCES[name], moment)
    return paths


def _make(path: Path, source: _Source, now: int) -> None:
    # Made aside and renamed: a repository that is there is whole.
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        _git(aside, "init", "--quiet", "--bare", "--template=", ".")
        _git(aside, "symbolic-ref", "HEAD", f"refs/heads/{MAIN}")
        # Hosts fetch one commit by its name, which need not be the head of a branch any more.
        _git(aside, "config", "uploadpack.allowReachableSHA1InWant", "true")
        stream = fast_import(source.commits, folder=source.folder, now=now)
        _git(aside, "fast-import", "--quiet", "--done", stdin=stream)
        aside.chmod(0o755)
        aside.rename(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), *arguments]
    try:
        subprocess.run(command, input=stdin, capture_output=True, check=True, env=environment)
    except FileNotFoundError as error:
        raise RepositoryError("git is not installed; the demo needs it for its repositories.") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise RepositoryError(f"git {arguments[0]} failed in {folder}: {said}") from error
