"""`.ci/install`, the first thing that a newcomer runs, on machines that lack something."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = ("sh", "dirname", "cat", "cksum", "rm", "id")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that is the whole PATH: a few tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def put_python(machine: Path, name: str, text: str) -> None:
    file = machine / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def install(checkout: Path, machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(machine / "sh"), str(checkout / ".ci" / "install"), "requirements.txt"],
        env={"PATH": str(machine)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_python_it_says_what_to_install(checkout: Path, machine: Path) -> None:
    refused = install(checkout, machine)
    assert refused.returncode == 2
    assert refused.stderr.strip() == (
        "The Deployer needs Python 3.11 or newer; this machine has no python3. "
        "Install a newer Python and run this again."
    )
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_named(checkout: Path, machine: Path) -> None:
    put_python(machine, "python3", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    refused = install(checkout, machine)
    assert refused.returncode == 2
    assert "this machine has Python 3.9.2." in refused.stderr


def test_a_newer_python_beside_an_old_one_is_found(checkout: Path, machine: Path) -> None:
    put_python(machine, "python3", "exit 1")
    put_python(machine, "python3.12", 'case "$*" in *ensurepip*) exit 1 ;; esac')
    refused = install(checkout, machine)
    assert f"{machine}/python3.12 cannot make virtual environments." in refused.stderr
    assert "apt install python3-venv" in refused.stderr


def test_nothing_is_installed_twice(checkout: Path, machine: Path) -> None:
    calls = checkout / "calls"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    put_python(checkout / ".venv" / "bin", "python", f'echo "$*" >> "{calls}"')
    put_python(checkout / ".venv" / "bin", "uv", f'echo "uv $*" >> "{calls}"')
    assert install(checkout, machine).returncode == 0
    assert calls.read_text().count("uv pip install") == 1
    assert "--require-hashes" in calls.read_text()
    assert install(checkout, machine).returncode == 0
    assert calls.read_text().count("uv pip install") == 1
    (checkout / "requirements.txt").write_text("changed==1\n")
    assert install(checkout, machine).returncode == 0
    assert calls.read_text().count("uv pip install") == 2


def test_what_could_not_be_installed_is_tried_again_the_next_time(checkout: Path, machine: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    put_python(checkout / ".venv" / "bin", "python", 'case "$*" in *pip*) exit 1 ;; esac')
    refused = install(checkout, machine)
    assert refused.returncode == 2
    assert "could not be installed" in refused.stderr
    assert not list((checkout / ".venv").glob(".installed-*"))
