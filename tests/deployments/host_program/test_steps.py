"""Linked paths, environments, shells, sudo and full disks."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.host_values import HostStep, Mark, Place, Release
from deployments.program_texts import prepare_program
from tests.deployments.host_program.hosts import Host, Tree, prepare, release, tree

HOSTILE = "a 'b' \"c\" $(touch canary) `touch canary` \\ \n; touch canary & * ~ #x !! $HOME\t%s \uff1b\xe9"


def test_shared_folders_and_files_are_linked(any_host: Host, first: Release) -> None:
    held = tree({"log/.keep": "", "config/app.yml": "default", "a": "x"})
    (any_host.root / "shared" / "config").mkdir(parents=True)
    (any_host.root / "shared" / "config" / "app.yml").write_text("ours")
    program = prepare_program(
        any_host.place, first, held.source, ["log", "deep/er/pids", "it's $(x)"], ["config/app.yml"], [], {}
    )
    assert any_host.run_program(program, archive=held).marks()[-1] == Mark("end", "ok")
    path = any_host.root / "releases" / first.name
    assert os.readlink(path / "log") == "../../shared/log"
    assert os.readlink(path / "deep/er/pids") == "../../../../shared/deep/er/pids"
    for name in ("log", "deep/er/pids", "it's $(x)"):
        (path / name / "x").write_text("kept")
        assert (any_host.root / "shared" / name / "x").read_text() == "kept"
    assert (path / "config/app.yml").read_text() == "ours"
    assert (any_host.root / "shared/config/app.yml").read_text() == "ours"


def test_an_endpoint_begins_with_a_copy_of_the_files_of_its_target(any_host: Host, first: Release) -> None:
    above, held = any_host.root, tree({"a": "x"})
    (above / "shared" / "config").mkdir(parents=True)
    (above / "shared" / "config" / "master.key").write_text("secret")
    (above / "shared" / "config" / "master.key").chmod(0o600)
    any_host.place = replace(any_host.place, root=f"{above}/endpoints/x", target="shop/staging/x")
    program = prepare_program(any_host.place, first, held.source, [], ["config/master.key"], [], {})
    assert any_host.run_program(program, archive=held).marks()[-1] == Mark("end", "ok")
    own = above / "endpoints/x/shared/config/master.key"
    assert (own.read_text(), own.stat().st_mode & 0o777, own.is_symlink()) == ("secret", 0o600, False)
    own.write_text("its own")
    again = prepare_program(any_host.place, release(2), held.source, [], ["config/master.key"], [], {})
    assert any_host.run_program(again, name="d2-prepare-1", archive=held).marks()[-1] == Mark("end", "ok")
    assert own.read_text() == "its own"
    assert (above / "shared/config/master.key").read_text() == "secret"


@pytest.mark.parametrize(
    ("dirs", "files", "says"),
    [
        ([], ["secret.env"], "shared/secret.env does not exist on this host"),
        (["a"], [], "a is a file in the revision"),
        ([], ["folder"], "folder is a folder in the revision"),
        (["out/side"], [], "out is itself a link"),
    ],
)
def test_what_cannot_be_linked_is_told(
    host: Host, first: Release, tmp_path: Path, dirs: list[str], files: list[str], says: str
) -> None:
    held = tree({"a": "x", "folder/b": "y", "out": f"-> {tmp_path}"})
    (host.root / "shared").mkdir(parents=True)
    (host.root / "shared" / "folder").write_text("file")
    program = prepare_program(host.place, first, held.source, dirs, files, [HostStep("x", "touch ../../../ran")], {})
    channel = host.run_program(program, archive=held)
    assert channel.marks()[-1] == Mark("end", "failed link")
    assert any(says in mark.args for mark in channel.marks())
    assert not (tmp_path / "side").exists()
    assert not (host.root.parent / "ran").exists()


def test_hostile_text_is_literal(any_host: Host, shop: Tree, first: Release) -> None:
    quoted = HOSTILE.replace("'", "'\\''")
    step = HostStep(f"name {HOSTILE}", f"printf '[%s]' '{quoted}'; printf '{{%s}}' \"$FACT\"", 10)
    program = prepare_program(any_host.place, first, shop.source, [], [], [step], {"FACT": HOSTILE})
    channel = any_host.run_program(program, archive=shop)
    assert channel.marks()[-1] == Mark("end", "ok")
    assert f"[{HOSTILE}]{{{HOSTILE}}}".encode() in channel.data
    assert not list(any_host.root.parent.rglob("canary"))
    assert not Path("/canary").exists()


def test_steps_know_where_they_are(any_host: Host, shop: Tree, first: Release) -> None:
    step = HostStep("x", 'pwd; echo "$DEPLOYER_RELEASE_PATH"; echo "$DEPLOYER_REVISION|$DEPLOYER_HOST"; cat; umask', 10)
    place = Place(any_host.place.root, any_host.place.target, umask="027", path_prepend=("/opt/own/bin",))
    any_host.place = place
    program = prepare_program(place, first, shop.source, [], [], [step], {"DEPLOYER_HOST": "eu-1"})
    channel = any_host.run_program(program, archive=shop)
    path = f"{place.root}/releases/{first.name}"
    assert f"{path}\n{path}\n{first.revision}|eu-1\n0027\n".encode() in channel.data
    assert (any_host.root / "releases" / first.name).stat().st_mode & 0o777 == 0o750


def test_the_shell_and_path_of_a_target_are_used(host: Host, shop: Tree, first: Release) -> None:
    own = host.root.parent / "own"
    own.mkdir()
    (own / "greet").write_text("#!/bin/sh\necho greeted by $0\n")
    (own / "greet").chmod(0o755)
    host.place = Place(host.place.root, host.place.target, (str(own),), "bash -o pipefail -c")
    channel = host.run_program(prepare(host, first, shop, "greet; [[ a = a ]] && false | true"), archive=shop)
    assert f"greeted by {own}/greet".encode() in channel.data
    assert Mark("step", "end 1 1") in channel.marks()


# What real sudo says: `-l` to what it would allow, password or not, and `-v` only where it never asks for one.
SUDO = """#!/bin/sh
own=$(dirname "$0")
[ "$1" = -n ] || { echo "sudo: a terminal is required" >&2; exit 1; }
case "$2 $3" in
"-v ") [ ! -e "$own/asks" ]; exit ;;
"-l ") cat "$own/list"; exit ;;
"-l --") shift 3; grep -qxF -e "$*" -e "${1##*/}" "$own/allowed"; exit ;;
esac
[ "$2" = -- ] || exit 1
shift 2
echo "$*" >>"$own/ran"
exec env -i PATH="$PATH" AS_ROOT=yes "$@"
"""
RESTART = "touch -c 'shop:*'"
SHELL = 'echo "$AS_ROOT $FACT"; pwd'


def with_sudo(host: Host, *, allowed: str, asks: bool = False, listed: str = "") -> Path:
    own = host.root.parent / "own"
    own.mkdir()
    (own / "sudo").write_text(SUDO)
    (own / "sudo").chmod(0o755)
    (own / "allowed").write_text(allowed)
    (own / "list").write_text(f"User deploy may run the following commands on web:\n{listed}")
    if asks:
        (own / "asks").touch()
    host.place = Place(host.place.root, host.place.target, (str(own),))
    return own


def sudo_program(host: Host, shop: Tree, first: Release, command: str, *, later: bool = False) -> str:
    step = HostStep("second", command, sudo=True)
    steps = [HostStep("first", "touch ../../../ran"), *([] if later else [step])]
    return prepare_program(
        host.place, first, shop.source, [], [], steps, {"FACT": "it's"}, later=[step] if later else []
    )


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("command", "line"),
    [(RESTART, r"touch -c shop\:\*"), ("/usr/bin/env", 'env ""'), (SHELL, "sh"), ("bin/own", "sh"), ("X=1 env", "sh")],
)
def test_the_line_that_sudoers_lacks_is_told_before_anything_changes(
    any_host: Host, shop: Tree, first: Release, command: str, line: str, later: bool
) -> None:
    own = with_sudo(any_host, allowed="other\n")
    channel = any_host.run_program(sudo_program(any_host, shop, first, command, later=later), archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed sudo")
    assert not (any_host.root.parent / "ran").exists()
    assert not (any_host.root / "releases" / first.name).exists()
    assert not (own / "ran").exists()
    (told,) = [mark.args for mark in channel.marks() if mark.word == "fail"]
    assert "without a password" in told
    assert re.search(rf": root ALL=\(root\) NOPASSWD: /\S*/{re.escape(line)}$", told)


def test_plain_words_are_what_sudo_runs(any_host: Host, shop: Tree, first: Release) -> None:
    own = with_sudo(any_host, allowed="touch -c shop:*\n")
    (any_host.root.parent / "shop:x").touch()
    channel = any_host.run_program(sudo_program(any_host, shop, first, RESTART), archive=shop)
    assert channel.marks()[-1] == Mark("end", "ok")
    assert (own / "ran").read_text() == "touch -c shop:*\n"


def test_what_takes_a_shell_gets_its_environment_in_a_private_file(any_host: Host, shop: Tree, first: Release) -> None:
    with_sudo(any_host, allowed="sh\n")
    channel = any_host.run_program(sudo_program(any_host, shop, first, SHELL), archive=shop)
    assert channel.marks()[-1] == Mark("end", "ok")
    assert f"yes it's\n{any_host.root}/releases/{first.name}\n".encode() in channel.data
    assert not (any_host.state / "programs/d1-prepare-1/environment").exists()


@pytest.mark.parametrize(
    ("listed", "result"),
    [
        ("    (ALL : ALL) ALL\n", "failed sudo"),
        ("    (ALL : ALL) ALL\n    (root) NOPASSWD: /usr/bin/uptime\n", "failed sudo"),
        ("    (ALL : ALL) ALL\n    (root) NOPASSWD: /opt/touch -c shop\\:\\*x\n", "failed sudo"),
        ("    (ALL : ALL) ALL\n    (root) NOPASSWD: /bin/date, /bin/touch -c shop\\:\\*\n", "ok"),
        ("    (ALL : ALL) ALL\n    (ALL) NOPASSWD: ALL\n", "ok"),
    ],
)
def test_to_be_allowed_with_a_password_is_not_enough(
    any_host: Host, shop: Tree, first: Release, listed: str, result: str
) -> None:
    with_sudo(any_host, allowed="touch -c shop:*\n", asks=True, listed=listed)
    channel = any_host.run_program(sudo_program(any_host, shop, first, RESTART), archive=shop)
    assert channel.marks()[-1] == Mark("end", result)


def test_a_host_without_the_program_or_without_sudo_is_told(any_host: Host, shop: Tree, first: Release) -> None:
    with_sudo(any_host, allowed="no-such-program\n")
    channel = any_host.run_program(sudo_program(any_host, shop, first, "no-such-program --now"), archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed sudo")
    assert any("has no such program" in mark.args for mark in channel.marks())


@pytest.fixture
def small_disk(host: Host) -> Iterator[Host]:
    """A host whose folder lies on a disk of 4 MB; where none can be mounted, its files end at 1 MB."""
    disk = host.root.parent / "disk"
    disk.mkdir()
    host.place = Place(f"{disk}/shop", host.place.target)
    mounted = sys.platform == "linux" and os.geteuid() == 0
    mounted = (
        mounted and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=False).returncode == 0
    )
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    yield host
    if mounted:
        for channel in host.channels:
            channel.kill()
        subprocess.run(["umount", "--lazy", disk], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def serve_first(host: Host, shop: Tree) -> None:
    host.run_program(prepare(host, release(1), shop), archive=shop)
    host.switch(release(1))


def still_serves(host: Host) -> bool:
    return host.live() == f"releases/{release(1).name}" and (host.root / "current/index.html").stat().st_size > 0


def test_a_release_without_room_is_not_begun(small_disk: Host, shop: Tree) -> None:
    serve_first(small_disk, shop)
    held = tree({"zeros": "0" * 3_000_000})
    channel = small_disk.run_program(prepare(small_disk, release(2), held), name="d2-prepare-1", archive=held)
    assert channel.marks()[-1] == Mark("end", "failed disk")
    assert any("kB must be free" in mark.args for mark in channel.marks())
    assert still_serves(small_disk)


def test_a_disk_that_fills_while_laying_out_leaves_the_old_release(small_disk: Host, shop: Tree) -> None:
    serve_first(small_disk, shop)
    held = tree({"zeros": "0" * 9_000_000, "after": "x"})
    lying = replace(held, source=replace(held.source, total=1))
    channel = small_disk.run_program(prepare(small_disk, release(2), lying), name="d2-prepare-1", archive=lying)
    assert channel.marks()[-1] == Mark("end", "failed disk")
    assert still_serves(small_disk)
    assert not (small_disk.root / "releases" / release(2).name).exists()


def test_a_step_that_fills_the_disk_still_ends_with_a_result(small_disk: Host, shop: Tree) -> None:
    serve_first(small_disk, shop)
    filling = "dd if=/dev/zero of=big bs=65536 count=200; echo full; echo full"
    channel = small_disk.start(prepare(small_disk, release(2), shop, filling), name="d2-prepare-1", archive=shop)
    assert channel.wait_for("end").args.startswith("failed ")
    assert still_serves(small_disk)
    assert (small_disk.state / "programs/d2-prepare-1/result").read_text().startswith("failed ")
