import os
import socket
from pathlib import Path

import pytest

from deployer_site import start_checks
from deployer_site.start_checks import (
    AlreadyRunning,
    FolderNotWritable,
    PortTaken,
    check_port,
    prepare_folder,
    take_lock,
)


def test_the_lock_is_for_one_at_a_time(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    lock = take_lock(tmp_path)
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        take_lock(tmp_path)
    os.close(lock)
    os.close(take_lock(tmp_path))


def test_it_waits_for_the_rest_of_a_copy_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is still held by a watcher, but the process that wrote its number is gone."""
    prepare_folder(tmp_path)
    lock = take_lock(tmp_path)
    (tmp_path / "run" / "up.lock").write_text("999999999")
    monkeypatch.setattr("deployer_site.start_checks.time.sleep", lambda _: os.close(lock))
    os.close(take_lock(tmp_path))


def test_it_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_folder(tmp_path)
    lock = take_lock(tmp_path)
    (tmp_path / "run" / "up.lock").write_text("999999999")
    monkeypatch.setattr(start_checks, "OLD_COPY_SECONDS", 0.0)
    with pytest.raises(AlreadyRunning):
        take_lock(tmp_path)
    os.close(lock)


def test_private_folders_are_private(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "var")
    assert (tmp_path / "var" / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var" / "run").stat().st_mode & 0o777 == 0o700


def test_a_folder_behind_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritable, match="cannot be written"):
        prepare_folder(tmp_path / "file" / "var")


@pytest.mark.parametrize(("port", "advice"), [(0, "PORT="), (65535, "PORT=8000")])
def test_a_taken_port_is_refused_with_another(port: int, advice: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortTaken, match=advice):
            check_port("127.0.0.1", other.getsockname()[1])


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(PortTaken, match="not an address of this machine"):
        check_port("203.0.113.1", 8000)
