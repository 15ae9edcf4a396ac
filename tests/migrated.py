"""The database that tests begin with: migrated once, then copied, as long as no migration has changed.

A migration takes as long as a hundred tests, and every process of pytest and every copy of the Deployer that tests
start would do all of them again. Django still looks whether one is missing. On PostgreSQL the tests have one process.
"""

import fcntl
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.deployer_site.copies import ROOT, environment


def on_sqlite() -> bool:
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


def name_of_migrations() -> str:
    """Another one for each set of migrations."""
    said = hashlib.sha256(f"{django.VERSION} {sqlite3.sqlite_version}".encode())
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "migrations").glob("*.py")):
            said.update(f"{app.label} {path.name}\n".encode() + path.read_bytes())
    return said.hexdigest()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def migrate(file: Path) -> None:
    """As a start does it, in a process of its own."""
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--skip-checks", "--verbosity", "0"]
    with tempfile.TemporaryDirectory(prefix="deployer-migrated-") as var:
        environ = environment(Path(var), 8000, DATABASE_URL=f"sqlite://{file}", LOG_LEVEL="WARNING")
        subprocess.run(command, env=environ, check=True)


@pytest.fixture(scope="session")
def migrated(pytestconfig: pytest.Config) -> Path:
    """An SQLite file with all tables and no row of ours, to copy. What was kept for other migrations goes."""
    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir("migrated")
    kept = folder / f"{name_of_migrations()}.sqlite3"
    with one_at_a_time(folder):
        if not kept.exists():
            for old in folder.glob("*.sqlite3*"):
                old.unlink()
            part = kept.with_suffix(".sqlite3-part")
            migrate(part)
            part.rename(kept)
    return kept


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    return on_sqlite()


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    if not on_sqlite():
        request.getfixturevalue("django_db_setup")
        yield
        return
    shutil.copyfile(request.getfixturevalue("migrated"), settings.DATABASES["default"]["TEST"]["NAME"])
    request.getfixturevalue("django_db_setup")
    yield
    with django_db_blocker.unblock():
        connections.close_all()
