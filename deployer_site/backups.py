"""One file with everything that cannot be made again: all rows and the keys that open the sealed ones.

The file is a gzipped tar of `manifest.json`, `secrets.json` and one `tables/<label>.jsonl` per model. Rows are written
by Django's serializer, so that a backup of SQLite can be restored into PostgreSQL and the other way round.

BackupError
├── CannotWrite       the file exists or its folder cannot be written
├── NotABackup        the file is none of ours, or damaged
├── OtherVersion      it was written by a version with other tables
├── NotEmpty          there is something here already
├── InUse             a worker of this database is alive
└── OtherKeys         the environment sets keys that cannot open what is in the backup
"""

import datetime
import io
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.core.management.color import no_style
from django.core.serializers.base import DeserializationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from deployer_site.snapshot import snapshot
from deployer_site.valkey import write_private
from deployments import claims, lifecycle
from environments.models import Application, User

FORMAT = 1
# What is made anew by a visit, or is over in minutes.
LEFT_OUT = {"sessions.Session", "axes.AccessAttempt", "axes.AccessAttemptExpiration"}


class BackupError(Exception):
    """`str()` says what is wrong and what to do; nothing was changed."""


class CannotWrite(BackupError):
    pass


class NotABackup(BackupError):
    pass


class OtherVersion(BackupError):
    pass


class NotEmpty(BackupError):
    pass


class InUse(BackupError):
    pass


class OtherKeys(BackupError):
    pass


@dataclass(frozen=True)
class Restored:
    rows: int
    held: int


class Exact(DjangoJSONEncoder):
    """Times to the microsecond: Django's own encoder cuts them to milliseconds."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime.datetime) else super().default(value)


def kept_models() -> list[type[models.Model]]:
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and model._meta.label not in LEFT_OUT]


def schema() -> list[str]:
    """Names of all migrations of this version: two versions with the same ones have the same tables."""
    return sorted(f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations)


def write_backup(file: Path) -> int:
    """Write everything to `file`, which must not exist yet; the number of rows. Raises CannotWrite."""
    if file.exists():
        raise CannotWrite(f"{file} exists already. Name a new file.")
    draft = file.with_name(f".{file.name}.unfinished")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
                rows = _write(archive)
            # A link fails when the file has appeared meanwhile; a rename would replace it.
            os.link(draft, file)
        finally:
            draft.unlink()
    except OSError as error:
        raise CannotWrite(
            f"{file} cannot be written ({error.strerror}). Name a file in a folder that may be."
        ) from error
    return rows


def _write(archive: tarfile.TarFile) -> int:
    tables: dict[str, int] = {}
    with snapshot():
        for model in kept_models():
            label = model._meta.label_lower
            with tempfile.TemporaryFile() as rows:
                tables[label] = _write_rows(model, rows)
                _add(archive, f"tables/{label}.jsonl", rows)
    manifest = {"format": FORMAT, "written_at": timezone.now().isoformat(), "schema": schema(), "tables": tables}
    keys = {"secret_key": settings.SECRET_KEY, "encryption_keys": settings.ENCRYPTION_KEYS}
    for name, content in (("secrets.json", keys), ("manifest.json", manifest)):
        _add(archive, name, io.BytesIO(json.dumps(content).encode()))
    return sum(tables.values())


def _write_rows(model: type[models.Model], rows: IO[bytes]) -> int:
    count = 0

    def counted() -> Iterator[models.Model]:
        nonlocal count
        for row in model._base_manager.order_by("pk").iterator(chunk_size=500):
            count += 1
            yield row

    text = io.TextIOWrapper(rows, encoding="utf-8", write_through=True)
    # Many-to-many rows are rows of a table of their own, which is written too.
    fields = [field.name for field in model._meta.local_concrete_fields]
    serializers.serialize("jsonl", counted(), stream=text, fields=fields, cls=Exact)
    text.detach()
    return count


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o600
    entry.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    archive.addfile(entry, content)


def read_json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    try:
        member = archive.extractfile(name)
        content = json.load(member) if member else None
    except (KeyError, ValueError) as error:
        raise NotABackup(f"It has no readable {name}. Name a file that `manage.py backup` wrote.") from error
    if not isinstance(content, dict):
        raise NotABackup(f"Its {name} is damaged. Use another backup.")
    return content


def restore_backup(file: Path, *, force: bool) -> Restored:
    """Replace what is here by what is in `file`; all of it or nothing. Tables must be there. Raises BackupError.

    Nothing starts by itself afterwards: deploys that waited or ran when the backup was written need a person.
    """
    try:
        with tarfile.open(file, mode="r:gz") as archive:
            manifest = read_json(archive, "manifest.json")
            keys = read_json(archive, "secrets.json")
            _check(manifest, keys, force=force)
            _keep_encryption_keys(keys["encryption_keys"])
            with transaction.atomic():
                rows = _read(archive, manifest)
                when = str(manifest["written_at"])[:16].replace("T", " ")
                held = lifecycle.hold_all(f"Restored from the backup of {when} UTC. Look at the hosts, deploy anew.")
    except (tarfile.TarError, EOFError, OSError, DeserializationError, IntegrityError, zlib.error) as error:
        raise NotABackup(f"{file} cannot be read ({error}). Name a file that `manage.py backup` wrote.") from error
    if not _from_environment("SECRET_KEY"):
        write_private(settings.SECRETS / "secret_key", keys["secret_key"] + "\n")
    return Restored(rows, held)


def _check(manifest: dict[str, Any], keys: dict[str, Any], *, force: bool) -> None:
    if manifest.get("format") != FORMAT or manifest.get("schema") != schema():
        raise OtherVersion(
            "The backup was written by a version with other tables. Restore it with that version, then upgrade."
        )
    if claims.live_workers().exists():
        raise InUse("A worker of this database is alive. Stop every copy that uses it, then restore.")
    if not force and (User.objects.exists() or Application.objects.exists()):
        raise NotEmpty("There are people or applications here already, which the backup would replace. Add --force.")
    if _from_environment("ENCRYPTION_KEYS") and not set(keys["encryption_keys"]) <= set(settings.ENCRYPTION_KEYS):
        raise OtherKeys(
            "ENCRYPTION_KEYS in the environment lacks keys of the backup: its secrets could not be opened. "
            "Unset it, or add the old keys behind the new ones."
        )


def _from_environment(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def _read(archive: tarfile.TarFile, manifest: dict[str, Any]) -> int:
    wanted = kept_models()
    # Relations are checked at the end of the transaction, so that any order will do.
    with connection.cursor() as cursor:
        for model in wanted:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
    rows = 0
    for model in wanted:
        label = model._meta.label_lower
        member = archive.extractfile(f"tables/{label}.jsonl")
        assert member is not None
        count = 0
        for row in serializers.deserialize("jsonl", io.TextIOWrapper(member, encoding="utf-8")):
            row.save(save_m2m=False, force_insert=True)
            count += 1
        if count != manifest["tables"].get(label):
            raise NotABackup(f"It has {count} rows of {label} and should have {manifest['tables'].get(label)}.")
        rows += count
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), wanted):
            cursor.execute(statement)
    connection.check_constraints()
    return rows


def _keep_encryption_keys(keys: list[str]) -> None:
    """Add the backup's keys to ours before any row is touched: if the rest fails, nothing has become unreadable."""
    if not _from_environment("ENCRYPTION_KEYS"):
        every = dict.fromkeys([*settings.ENCRYPTION_KEYS, *keys])
        write_private(settings.SECRETS / "encryption_keys", ",".join(every) + "\n")
