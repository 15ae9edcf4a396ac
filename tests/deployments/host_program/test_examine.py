"""What is looked at before a first deploy: under each kind of shell, and nothing is written."""

from pathlib import Path

import pytest

from deployments.host_questions import examine_command
from tests.deployments.host_program.capistrano_root import make_root, state_of
from tests.deployments.host_program.hosts import NONCE, Host
from tests.deployments.host_program.looking import content_of


def examined(host: Host, *linked_files: str) -> dict[str, str]:
    marks = host.run(examine_command(host.place, nonce=NONCE, linked_files=linked_files)).to_end()
    assert marks[-1].word == "examined"
    return {mark.word: mark.args for mark in marks}


def test_an_empty_host(any_host: Host) -> None:
    words = examined(any_host)
    assert (words["current"], words["layout"], words["root"]) == ("-", "nothing 0", "creatable")
    assert words["sudo"] in {"none", "asks", "some", "all"}
    assert not any_host.root.exists()


def test_a_folder_of_capistrano(any_host: Host) -> None:
    make_root(any_host.root)
    before = state_of(any_host.root)
    words = examined(any_host)
    assert (words["layout"], words["current"], words["revision"]) == ("capistrano 3", "20260103100000", "3" * 40)
    assert state_of(any_host.root) == before


def test_a_folder_of_ours_says_whose(any_host: Host) -> None:
    (any_host.root / ".deployer").mkdir(parents=True)
    (any_host.root / ".deployer/target").write_text("shop/production\n")
    (any_host.root / "releases/20260101000000-abcdef0").mkdir(parents=True)
    assert examined(any_host)["layout"] == "ours 1 shop/production"


def test_a_folder_of_somebody_else(any_host: Host) -> None:
    any_host.root.mkdir(parents=True)
    (any_host.root / "index.html").write_text("x")
    before = content_of(any_host.root)
    assert examined(any_host)["layout"] == "other 0"
    assert content_of(any_host.root) == before


def test_linked_files_that_are_not_there_are_named(any_host: Host) -> None:
    shared = any_host.root / "shared"
    (shared / "config").mkdir(parents=True)
    (shared / "config/there-is.yml").touch()
    (shared / "folder").mkdir()
    before = content_of(any_host.root)
    words = examined(any_host, ".env", "config/there-is.yml", "config/a.yml", "folder")
    assert words["absent"] == ".env//config/a.yml//folder"
    assert "absent" not in examined(any_host, "config/there-is.yml")
    assert "absent" not in examined(any_host)
    assert content_of(any_host.root) == before


SUDO = """#!/bin/sh
[ "$1 $2" = "-n -l" ] || { echo "asked for $*" >&2; exit 99; }
%s
"""


@pytest.mark.parametrize(
    ("says", "word"),
    [
        ("echo '    (ALL : ALL) NOPASSWD: ALL'", "all"),
        ("echo '    (root) NOPASSWD: /usr/bin/systemctl restart shop'", "some"),
        ("echo '    (ALL : ALL) ALL'", "asks"),
        ("echo 'sudo: a password is required' >&2; exit 1", "asks"),
    ],
)
def test_what_sudo_would_allow(says: str, word: str, host: Host) -> None:
    sudo = Path(host.path.split(":")[0]) / "sudo"
    sudo.unlink(missing_ok=True)
    sudo.write_text(SUDO % says)
    sudo.chmod(0o755)
    assert examined(host)["sudo"] == word
