"""The database that tests begin with: migrated once, then copied, as long as no migration has changed.

A migration takes as long as a hundred tests, and every process of pytest would do all of them again. Django still
looks whether one is missing. PostgreSQL is not meant: its tests have one process.
"""

import fcntl
import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker


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


def keep(kept: Path) -> None:
    """What was migrated, for the next process; what was kept for other migrations goes."""
    for old in kept.parent.glob("*.sqlite3*"):
        old.unlink()
    part = kept.with_suffix(".sqlite3-part")
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(part)])
    part.rename(kept)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    return on_sqlite()


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    if not on_sqlite():
        request.getfixturevalue("django_db_setup")
        yield
        return
    assert pytestconfig.cache
    folder = pytestconfig.cache.mkdir("migrated")
    kept = folder / f"{name_of_migrations()}.sqlite3"
    with one_at_a_time(folder):
        if kept.exists():
            shutil.copyfile(kept, settings.DATABASES["default"]["TEST"]["NAME"])
        request.getfixturevalue("django_db_setup")
        if not kept.exists():
            with django_db_blocker.unblock():
                keep(kept)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
