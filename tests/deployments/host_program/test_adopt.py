"""Releases of another tool: they can be gone back to, and nothing of them is touched."""

import os

import pytest

from deployments.host_values import HeldSource, HostStep, Release
from deployments.program_texts import finish_program, prepare_program
from tests.deployments.host_program.capistrano_root import REVISIONS, make_root, state_of
from tests.deployments.host_program.hosts import Channel, Host, Tree, prepare, release

OLD = "20260102100000"
OK = [HostStep("ok", "true")]


def theirs(name: str = OLD, revision: str = "") -> Release:
    return Release(name, revision or REVISIONS[name], 9, "Ada")


def deploy(host: Host, shop: Tree, n: int, *, keep: int = 2) -> Channel:
    to = release(n)
    host.run_program(prepare(host, to, shop), name=f"d{n}-prepare-1", archive=shop)
    host.switch(to)
    return host.run_program(finish_program(host.place, to, OK, [], keep, ["20260103100000"], {}), name=f"d{n}-finish-1")


def refused(host: Host, to: Release) -> str:
    return host.arm(to).wait_for("armed", "refused").args


def test_it_switches_to_a_release_of_capistrano_and_leaves_it_as_it_is(any_host: Host, shop: Tree) -> None:
    make_root(any_host.root)
    deploy(any_host, shop, 1)
    before = state_of(any_host.root / "releases")
    any_host.switch(theirs())
    assert any_host.live() == f"releases/{OLD}"
    end = any_host.run_program(finish_program(any_host.place, theirs(), OK, [], 2, [], {}), name="d9-finish-1")
    assert end.marks()[-1].args == "ok"
    assert state_of(any_host.root / "releases") == before
    assert (any_host.state / "releases" / OLD / "revision").read_text() == "2" * 40 + "\n"


def test_many_deploys_remove_nothing_of_capistrano(host: Host, shop: Tree) -> None:
    make_root(host.root)
    (host.root / "releases/notes").mkdir()
    before = {name: state_of(host.root / "releases" / name) for name in [*REVISIONS, "notes"]}
    for n in range(1, 4):
        deploy(host, shop, n)
    host.switch(theirs())  # now it has a record of ours, as our own have
    for n in range(4, 9):
        deploy(host, shop, n)
    assert {name: state_of(host.root / "releases" / name) for name in [*REVISIONS, "notes"]} == before
    ours = {path.name for path in (host.root / "releases").iterdir()} - set(before)
    assert ours == {release(7).name, release(8).name}
    assert (host.root / "shared/log/app.log").read_text() == "old\n"


def test_a_rollback_by_a_program_links_nothing_anew(host: Host, shop: Tree) -> None:
    make_root(host.root)
    before = state_of(host.root / "releases")
    program = prepare_program(host.place, theirs(), HeldSource(), ["log"], ["config/x.yml"], [], {})
    assert host.run_program(program).marks()[-1].args == "ok"
    assert state_of(host.root / "releases") == before


def test_older_capistranos_wrote_short_revisions(host: Host) -> None:
    make_root(host.root)
    (host.root / "releases" / OLD / "REVISION").write_text("2222222\n")
    host.switch(theirs())
    assert host.live() == f"releases/{OLD}"


def test_without_a_file_the_log_tells_the_revision(any_host: Host) -> None:
    make_root(any_host.root)
    (any_host.root / "releases" / OLD / "REVISION").unlink()
    any_host.switch(theirs())
    assert any_host.live() == f"releases/{OLD}"


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("3" * 40, f"release release {OLD} holds revision {'3' * 40}, not {'2' * 40}"),
        ("222222", f"release neither REVISION nor revisions.log tells the revision of release {OLD}"),
        ("$(touch x)", f"release neither REVISION nor revisions.log tells the revision of release {OLD}"),
    ],
)
def test_another_revision_is_not_taken(host: Host, revision: str, said: str) -> None:
    make_root(host.root)
    (host.root / "releases" / OLD / "REVISION").write_text(f"{revision}\n")
    assert refused(host, theirs()) == said
    assert not (host.state / "releases" / OLD).exists()


def test_what_is_not_there_or_is_a_link_is_not_taken(host: Host) -> None:
    make_root(host.root)
    assert refused(host, theirs("20260102100001", "2" * 40)).endswith("20260102100001 is not prepared on this host")
    os.rename(host.root / "releases" / OLD, host.root / "elsewhere")
    (host.root / "releases" / OLD).symlink_to(host.root / "elsewhere")
    assert "is a link, not a folder" in refused(host, theirs())


def test_a_taken_release_is_not_discarded_as_unfinished(host: Host, shop: Tree) -> None:
    make_root(host.root)
    host.switch(theirs())
    (host.state / "releases" / OLD / "prepared").unlink()
    deploy(host, shop, 1)
    deploy(host, shop, 2)
    assert (host.root / "releases" / OLD / "REVISION").exists()
