"""The version of the Deployer before this one, laid out beside it, and tables as either of them has them."""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db import connections

from tests.deployer_site.copies import ROOT

OWN = ("deployments", "environments", "notifications")
LONGEST = 900.0


def _git(*words: str) -> str:
    said = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else ""


def previous_commit() -> str:
    """CHAOS_PREVIOUS, else the last tag, else what was there before the newest migration."""
    migrations = [f"{app}/migrations/*.py" for app in OWN]
    newest = _git("log", "-1", "--format=%H", "--diff-filter=A", "--", *migrations)
    wanted = os.environ.get("CHAOS_PREVIOUS") or _git("describe", "--tags", "--abbrev=0") or f"{newest}^"
    commit = _git("rev-parse", "--verify", "--quiet", f"{wanted}^{{commit}}")
    assert commit, f"{wanted!r} is no commit here. Set CHAOS_PREVIOUS to one of the version before."
    return commit


def lay_out(commit: str, folder: Path) -> "Version":
    with tempfile.TemporaryFile() as archive:
        subprocess.run(["git", "-C", str(ROOT), "archive", commit], stdout=archive, check=True)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as files:
            files.extractall(folder, filter="data")
    return Version(folder, commit)


@dataclass(frozen=True)
class Version:
    """The code of one version, with the packages of this one."""

    folder: Path
    commit: str = ""

    def manage(self, *words: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        return self.run(str(self.folder / "manage.py"), *words, env=env)

    def run(self, *words: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Python with these words in the folder of this version; what it prints is in the answer."""
        connections.close_all()
        command = [sys.executable, *words]
        given = {name: value for name, value in env.items() if name != "DJANGO_SETTINGS_MODULE"}
        return subprocess.run(
            command, cwd=self.folder, env=given, capture_output=True, text=True, check=False, timeout=LONGEST
        )

    def migrate(self, env: Mapping[str, str], *words: str) -> None:
        done = self.manage("migrate", "--skip-checks", "--verbosity", "0", *words, env=env)
        assert done.returncode == 0, done.stderr

    def migrations(self, app: str) -> list[str]:
        return sorted(path.stem for path in (self.folder / app / "migrations").glob("0*.py"))


def new_migrations(old: Version) -> list[str]:
    """Those that an upgrade from `old` brings."""
    here = Version(ROOT)
    return [f"{app}.{name}" for app in OWN for name in here.migrations(app) if name not in old.migrations(app)]


def go_back_to(old: Version, env: Mapping[str, str]) -> None:
    """The tables as `old` knows them, with the rows that are there."""
    for app in OWN:
        Version(ROOT).migrate(env, app, old.migrations(app)[-1])
