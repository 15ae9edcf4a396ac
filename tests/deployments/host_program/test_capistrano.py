"""Looking at what Capistrano left, and leaving a folder to it again."""

import os
import subprocess
from pathlib import Path

import pytest

from deployments.host_program import leave_command
from deployments.host_questions import capistrano_command
from deployments.host_values import HostStep, Mark, Release
from deployments.program_texts import finish_program
from tests.deployments.host_program.capistrano_root import REVISIONS, make_root, state_of
from tests.deployments.host_program.hosts import NONCE, Host, Tree, prepare, release
from tests.repository import GIT_ENVIRONMENT

OK = [HostStep("ok", "true")]
BAD = [HostStep("bad", "false")]
NAMES = list(REVISIONS)


def look(host: Host) -> list[Mark]:
    return host.run(capistrano_command(host.place, nonce=NONCE)).to_end()


def leave(host: Host, fence: int = 99) -> list[Mark]:
    return host.run(leave_command(host.place, fence=fence, nonce=NONCE)).to_end()


def deploy(host: Host, shop: Tree, n: int, steps: list[HostStep] = OK) -> None:
    to = release(n)
    host.run_program(prepare(host, to, shop), name=f"d{n}-prepare-1", archive=shop)
    host.switch(to)
    host.run_program(finish_program(host.place, to, steps, [], 9, [], {}), name=f"d{n}-finish-1")


def newest_first(host: Host) -> list[str]:
    """As Capistrano lists them."""
    return subprocess.check_output(["ls", "-xt", host.root / "releases"], text=True).split()


def test_it_tells_what_is_there_and_writes_nothing(any_host: Host) -> None:
    make_root(any_host.root)
    (any_host.root / "releases/some where").mkdir()
    before = state_of(any_host.root)
    marks = look(any_host)
    since = int((any_host.root / "current").lstat().st_mtime)
    assert marks[0] == Mark("current", f"{NAMES[-1]} {since}")
    assert [mark.args for mark in marks if mark.word == "release"] == [f"{n} {r}" for n, r in REVISIONS.items()]
    assert Mark("strange", "1") in marks
    logged = [mark.args for mark in marks if mark.word == "log"]
    assert logged == (any_host.root / "revisions.log").read_text().splitlines()
    assert marks[-1].word == "told"
    assert state_of(any_host.root) == before


def test_a_hostile_log_is_only_text(host: Host) -> None:
    make_root(host.root)
    hostile = f"\x1e{NONCE} owner us\n$(touch x) `id` \\\\n\r\n\xff\n"
    (host.root / "revisions.log").write_bytes(hostile.encode("latin-1"))
    marks = look(host)
    assert [mark.word for mark in marks if mark.word == "owner"] == []
    logged = [mark.args for mark in marks if mark.word == "log"]
    assert logged == [f"{NONCE} owner us", "$(touch x) `id` \\\\n", "\\xff"]


def test_a_folder_that_is_not_there_and_a_link_elsewhere(any_host: Host) -> None:
    assert look(any_host) == [Mark("nothing")]
    make_root(any_host.root)
    (any_host.root / "current").unlink()
    (any_host.root / "current").symlink_to(any_host.root / "shared")
    assert look(any_host)[0] == Mark("outside", str(any_host.root / "shared"))


def test_leaving_gives_releases_names_that_capistrano_knows(any_host: Host, shop: Tree) -> None:
    make_root(any_host.root)
    deploy(any_host, shop, 1)
    deploy(any_host, shop, 2, BAD)
    deploy(any_host, shop, 3)
    marks = leave(any_host)
    one, three = release(1).name, release(3).name
    assert {(mark.word, mark.args) for mark in marks} == {
        ("renamed", f"{one} {one[:14]}"),
        ("removed", release(2).name),
        ("kept", three),
        ("left", three),
    }
    assert sorted(path.name for path in any_host.root.iterdir()) == ["current", "releases", "revisions.log", "shared"]
    assert newest_first(any_host)[:2] == [three, one[:14]]
    assert any_host.live() == f"{any_host.root}/releases/{three}"
    assert (any_host.root / "current/index.html").read_text() == "<h1>Shop</h1>\n"


def test_after_a_rollback_the_next_way_back_leads_behind_what_serves(any_host: Host, shop: Tree) -> None:
    make_root(any_host.root)
    deploy(any_host, shop, 1)
    any_host.switch(Release(NAMES[1], REVISIONS[NAMES[1]], 2, "Ada"), fence=2)
    leave(any_host)
    assert newest_first(any_host)[:2] == [NAMES[1], NAMES[0]]
    assert set(newest_first(any_host)[2:]) == {NAMES[2], release(1).name[:14]}


def test_leaving_twice_or_where_we_never_were_changes_nothing(host: Host, shop: Tree) -> None:
    assert leave(host) == [Mark("left", "-")]
    assert not host.root.exists()
    make_root(host.root)
    before = state_of(host.root)
    assert leave(host) == [Mark("left", NAMES[-1])]
    assert state_of(host.root) == before
    deploy(host, shop, 1)
    leave(host)
    before = state_of(host.root)
    assert leave(host) == [Mark("left", release(1).name)]
    assert state_of(host.root) == before


def test_a_name_that_is_taken_is_not_overwritten(host: Host, shop: Tree) -> None:
    make_root(host.root, {release(1).name[:14]: "4" * 40})
    deploy(host, shop, 1)
    deploy(host, shop, 2)
    assert Mark("kept", release(1).name) in leave(host)
    assert (host.root / "releases" / release(1).name[:14] / "REVISION").read_text() == "4" * 40 + "\n"


def test_another_targets_folder_and_an_older_claim_are_refused(host: Host, shop: Tree) -> None:
    deploy(host, shop, 1)
    (host.state / "fence").write_text("100\n")
    before = state_of(host.root)
    assert leave(host, fence=99) == [Mark("refused", "fence 100")]
    (host.state / "target").write_text("other/production\n")
    before = state_of(host.root)
    assert leave(host, fence=101) == [Mark("refused", "target other/production")]
    assert state_of(host.root) == before


def test_it_does_not_leave_while_a_program_works(host: Host, shop: Tree) -> None:
    running = host.start(prepare(host, release(1), shop, host.gate), archive=shop)
    running.wait_text(b"step begin")
    assert leave(host, fence=1)[-1].args == "lock another program is at work in this folder"
    host.open_gate()
    running.wait_for("end")
    assert host.state.exists()


@pytest.mark.parametrize("made_by", ["us", "capistrano", "somebody"])
def test_what_becomes_of_the_mirror(host: Host, shop: Tree, made_by: str, tmp_path: Path) -> None:
    deploy(host, shop, 1)
    repo = host.root / "repo"

    def git(*words: str) -> str:
        return subprocess.check_output(["git", f"--git-dir={repo}", *words], env=GIT_ENVIRONMENT, text=True)

    git("init", "-q", "--bare")
    tree = subprocess.check_output(
        ["git", f"--git-dir={repo}", "mktree"], env=GIT_ENVIRONMENT, text=True, stdin=subprocess.DEVNULL
    ).strip()
    commit = git("commit-tree", "-m", "x", tree).strip()
    if made_by != "somebody":
        git("update-ref", f"refs/deployer/{commit}", commit)
    if made_by == "capistrano":
        git("update-ref", "refs/heads/main", commit)
        git("remote", "add", "--mirror=fetch", "origin", str(tmp_path))
    told = [mark.args for mark in leave(host) if mark.word == "mirror"]
    assert told == {"us": ["removed"], "capistrano": ["kept"], "somebody": []}[made_by]
    assert repo.exists() == (made_by != "us")
    if repo.exists():
        refs = git("for-each-ref", "--format=%(refname)").split()
        assert refs == (["refs/heads/main"] if made_by == "capistrano" else [])


def test_what_serves_is_readable_all_the_time(host: Host, shop: Tree) -> None:
    deploy(host, shop, 1)
    # a reader that follows the link before and after finds the same folder
    folder = os.open(host.root / "current", os.O_RDONLY)
    leave(host)
    assert os.fstat(folder).st_ino == (host.root / "current").stat().st_ino
    os.close(folder)
