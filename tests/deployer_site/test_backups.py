"""Backup and restore. What is written on one engine is read on the other: the last test starts from SQLite."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import models

from deployer_site import backups
from deployer_site.start_checks import prepare_folder, take_lock
from deployments.models import Deploy
from deployments.states import DeployStatus
from environments.models import Application, User
from environments.sealed import seal
from tests.builders import make_application, make_deploy, make_host, make_target, make_user
from tests.deployer_site.copies import ROOT, environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar.gz"


@pytest.fixture(autouse=True)
def _own_secrets(tmp_path: Path, settings: Any) -> None:
    """A restore writes keys: not into the folder that all tests share."""
    settings.SECRETS = tmp_path / "secrets"
    settings.SECRETS.mkdir()


def content(model: type[models.Model]) -> list[dict[str, Any]]:
    return list(model._base_manager.order_by("pk").values())


def make_history(*, waiting: int = 0) -> None:
    make_user(username="ada")
    make_application(name="secretive", https_token=seal("canary"))
    target = make_target(hosts=2)
    make_deploy(target=target)
    for _ in range(waiting):
        make_deploy(target=target, status=DeployStatus.WAITING)


def erase() -> None:
    call_command("flush", interactive=False, verbosity=0)


def test_every_row_comes_back_as_it_was(file: Path) -> None:
    make_history()
    before = {model: content(model) for model in backups.kept_models()}
    backups.write_backup(file)
    erase()
    assert not User.objects.exists()
    backups.restore_backup(file, force=False)
    assert {model: content(model) for model in before} == before
    assert User.objects.get(username="ada")


def test_new_rows_get_numbers_that_are_free(file: Path) -> None:
    make_history()
    backups.write_backup(file)
    erase()
    backups.restore_backup(file, force=False)
    assert make_user().pk > User.objects.get(username="ada").pk
    assert make_host().pk


def test_no_deploy_goes_on_by_itself(file: Path) -> None:
    make_history(waiting=2)
    backups.write_backup(file)
    erase()
    assert backups.restore_backup(file, force=False).held == 2
    reasons = Deploy.objects.filter(status=DeployStatus.NEEDS_ATTENTION).values_list("reason", flat=True)
    assert [reason.startswith("Restored from the backup of ") for reason in reasons] == [True, True]
    assert Deploy.objects.filter(status=DeployStatus.SUCCEEDED).count() == 1


def test_the_file_is_for_us_only_and_replaces_nothing(file: Path) -> None:
    backups.write_backup(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir() if path.name != "secrets"] == [file.name]
    before = file.read_bytes()
    with pytest.raises(backups.CannotWrite, match="exists already"):
        backups.write_backup(file)
    assert file.read_bytes() == before


def test_what_is_here_is_replaced_only_by_force(file: Path) -> None:
    make_user(username="ada")
    backups.write_backup(file)
    make_user(username="ben")
    with pytest.raises(backups.NotEmpty):
        backups.restore_backup(file, force=False)
    assert User.objects.filter(username="ben").exists()
    backups.restore_backup(file, force=True)
    assert not User.objects.filter(username="ben").exists()


def test_the_keys_come_back_and_ours_stay(file: Path) -> None:
    backups.write_backup(file)
    old, new = settings.ENCRYPTION_KEYS, ["A" * 43 + "="]
    settings.ENCRYPTION_KEYS = new
    try:
        backups.restore_backup(file, force=False)
    finally:
        settings.ENCRYPTION_KEYS = old
    kept = settings.SECRETS / "encryption_keys"
    assert kept.read_text().strip().split(",") == [*new, *old]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_keys_of_the_environment_must_open_what_comes_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_history()
    backups.write_backup(file)
    erase()
    monkeypatch.setenv("ENCRYPTION_KEYS", "A" * 43 + "=")
    monkeypatch.setattr(settings, "ENCRYPTION_KEYS", ["A" * 43 + "="])
    with pytest.raises(backups.OtherKeys):
        backups.restore_backup(file, force=False)
    assert not User.objects.exists()


def rewrite(file: Path, changes: dict[str, Any]) -> Path:
    """A copy of a backup in which some members are others."""
    changed = file.with_name("changed.tar.gz")
    with tarfile.open(file, "r:gz") as old, tarfile.open(changed, "w:gz") as new:
        for member in old.getmembers():
            stream = old.extractfile(member)
            assert stream
            data = stream.read()
            if member.name in changes:
                data = changes[member.name](data)
            member.size = len(data)
            (file.parent / "part").write_bytes(data)
            with (file.parent / "part").open("rb") as part:
                new.addfile(member, part)
    return changed


def test_a_backup_of_another_version_is_refused(file: Path) -> None:
    backups.write_backup(file)

    def older(data: bytes) -> bytes:
        manifest = json.loads(data)
        return json.dumps({**manifest, "schema": manifest["schema"][:-1]}).encode()

    with pytest.raises(backups.OtherVersion):
        backups.restore_backup(rewrite(file, {"manifest.json": older}), force=False)


def test_a_backup_that_lacks_rows_changes_nothing(file: Path) -> None:
    make_history()
    backups.write_backup(file)
    # Nothing points to these rows, so that only counting finds that one is gone.
    damaged = rewrite(file, {"tables/environments.membership.jsonl": lambda data: data.splitlines(keepends=True)[0]})
    before = content(Application)
    with pytest.raises(backups.NotABackup, match=r"1 rows of environments\.membership and should have 2"):
        backups.restore_backup(damaged, force=True)
    assert content(Application) == before


@pytest.mark.parametrize("data", [b"", b"not a tar", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_backup_is_refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(backups.NotABackup):
        backups.restore_backup(file, force=True)


def test_a_cut_off_backup_is_refused(file: Path) -> None:
    make_history()
    backups.write_backup(file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(backups.NotABackup):
        backups.restore_backup(file, force=True)
    assert User.objects.filter(username="ada").exists()


def test_the_command_refuses_while_a_copy_runs(file: Path) -> None:
    backups.write_backup(file)
    prepare_folder(settings.VAR)
    lock = take_lock(settings.VAR)
    try:
        with pytest.raises(CommandError, match=r"already running.* Nothing was changed\."):
            call_command("restore", str(file))
    finally:
        os.close(lock)


BACK_UP = """
from django.core.management import call_command
call_command("createsuperuser", interactive=False, username="ada", email="", verbosity=0)
call_command("backup", {file!r})
"""


def test_a_backup_of_sqlite_is_restored_here(tmp_path: Path, file: Path, migrated: Path) -> None:
    (tmp_path / "var").mkdir()
    shutil.copyfile(migrated, tmp_path / "var" / "deployer.sqlite3")
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--command", BACK_UP.format(file=str(file))]
    environ = environment(tmp_path / "var", 8000, DJANGO_SUPERUSER_PASSWORD="one-good-secret")
    subprocess.run(command, env=environ, check=True, timeout=180)
    call_command("restore", str(file), stdout=io.StringIO())
    assert User.objects.get().username == "ada"
    assert User.objects.get().password.startswith("argon2$")
