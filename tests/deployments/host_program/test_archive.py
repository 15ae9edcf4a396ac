"""The archive on its way to a host, and what is laid out from it."""

import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.host_program import program_message, start_command, wanted
from deployments.host_values import ArchiveSource, Call, Entry, HeldSource, HostStep, Mark, Release
from deployments.manifests import manifest_of
from deployments.program_texts import prepare_program
from tests.deployments.host_program.conftest import MakeHost
from tests.deployments.host_program.hosts import (
    NONCE,
    Host,
    Tree,
    answer,
    entries_of,
    facts_of,
    packed,
    prepare,
    release,
    tree,
)


def archives(host: Host) -> set[str]:
    return set(os.listdir(host.state / "archives"))


def test_files_links_and_modes_are_laid_out(any_host: Host, first: Release) -> None:
    held = tree(
        {"a b/c'd.txt": "x\n", "-rf": "y", "$(id)": "z", "run.sh": "#!/bin/sh\n", "e": "", "l": "-> a b/c'd.txt"}
    )
    assert any_host.run_program(prepare(any_host, first, held), archive=held).marks()[-1] == Mark("end", "ok")
    path = any_host.root / "releases" / first.name
    assert {name: (path / name).read_text() for name in ("a b/c'd.txt", "-rf", "$(id)", "e")} == {
        "a b/c'd.txt": "x\n",
        "-rf": "y",
        "$(id)": "z",
        "e": "",
    }
    assert os.readlink(path / "l") == "a b/c'd.txt"
    assert os.access(path / "run.sh", os.X_OK)
    assert (path / "REVISION").read_text() == first.revision + "\n"
    assert (any_host.state / "releases" / first.name / "prepared").exists()


def test_all_files_belong_to_the_user_who_deploys(any_host: Host, first: Release) -> None:
    """Root's tar would give them to whoever packed them."""
    names = {"x": "1", "y/z": "2"}
    data = packed(names, manifest_of(entries_of(names)), owner=12345)
    held = Tree(ArchiveSource(facts_of(data), 2), {("archive", "gz"): data}, names)
    assert any_host.run_program(prepare(any_host, first, held), archive=held).marks()[-1] == Mark("end", "ok")
    found = (any_host.root / "releases" / first.name / name for name in names)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(os.getuid(), os.getgid())}


def test_a_revision_file_of_the_tree_stays(host: Host, first: Release) -> None:
    held = tree({"REVISION": "our own\n"})
    host.run_program(prepare(host, first, held), archive=held)
    assert (host.root / "releases" / first.name / "REVISION").read_text() == "our own\n"


def test_a_large_archive_travels_once_and_three_are_kept(host: Host) -> None:
    held = [tree({"n": random.Random(n).randbytes(1_000_000).hex()}) for n in range(5)]
    for n, one in enumerate(held, 1):
        host.run_program(prepare(host, release(n), one), name=f"d{n}-prepare-1", archive=one)
    assert held[4].source.gz.sha256 in archives(host)
    assert len(archives(host)) == 3
    again = host.start(prepare(host, release(6), held[4]), name="d6-prepare-1", archive=held[4])
    assert not any(mark.word == "need" for mark in again.marks())
    assert again.wait_for("end").args == "ok"


def test_a_changed_archive_is_refused(any_host: Host, shop: Tree, first: Release) -> None:
    bent = replace(shop, data={("archive", "gz"): shop.gz[:-1] + bytes([shop.gz[-1] ^ 1])})
    mark = any_host.start(prepare(any_host, first, shop), archive=bent).to_end()[-1]
    assert mark.word == "refused"
    assert mark.args.startswith("upload it arrived with another sha256")
    assert archives(any_host) == set()
    assert not list((any_host.state / "programs").iterdir())


@pytest.fixture
def large() -> Tree:
    """More than what is sent anew from its beginning."""
    return tree({"index.html": "<h1>Shop</h1>\n", "noise": random.Random(1).randbytes(1_000_000).hex()})


def test_a_small_archive_is_not_kept(any_host: Host, shop: Tree, first: Release) -> None:
    assert any_host.run_program(prepare(any_host, first, shop), archive=shop).marks()[-1] == Mark("end", "ok")
    assert archives(any_host) == set()
    assert not list(any_host.state.glob("programs/*/archive"))


def test_half_of_what_is_small_is_not_kept(any_host: Host, shop: Tree, first: Release) -> None:
    channel = any_host.run(start_command(Call(any_host.place, "d1-prepare-1", 1, NONCE, 0, shop.source)))
    channel.send(program_message(prepare(any_host, first, shop), NONCE))
    channel.wait_for("need")
    channel.send(b"0\n" + shop.gz[: len(shop.gz) // 2])
    assert channel.close()[-1].args.startswith("upload it came only in part")
    assert archives(any_host) == set()
    assert not list((any_host.state / "programs").iterdir())
    assert any_host.run_program(prepare(any_host, first, shop), archive=shop).marks()[-1] == Mark("end", "ok")


def test_half_an_archive_never_gets_its_name(any_host: Host, large: Tree, first: Release) -> None:
    channel = any_host.run(start_command(Call(any_host.place, "d1-prepare-1", 1, NONCE, 0, large.source)))
    channel.send(program_message(prepare(any_host, first, large), NONCE))
    channel.wait_for("need")
    channel.send(b"0\n" + large.gz[: len(large.gz) // 2])
    assert channel.close()[-1].args.startswith("upload it came only in part")
    assert archives(any_host) == {f".part-{large.source.gz.sha256}"}
    assert any_host.run_program(prepare(any_host, first, large), archive=large).marks()[-1] == Mark("end", "ok")


@pytest.mark.parametrize("kept", ["half", "wrong", "too long"])
def test_an_upload_goes_on_where_it_broke_off_if_that_is_right(
    any_host: Host, large: Tree, first: Release, kept: str
) -> None:
    any_host.run_program(prepare(any_host, release(7), tree({"x": "x"})), archive=tree({"x": "x"}))
    half = large.gz[: len(large.gz) // 2]
    part = any_host.state / "archives" / f".part-{large.source.gz.sha256}"
    part.write_bytes({"half": half, "wrong": b"x" * len(half), "too long": large.gz * 2}[kept])
    channel = any_host.start(prepare(any_host, first, large), name="d2-prepare-1", archive=large)
    assert channel.wait_for("end").args == "ok"
    (need,) = [mark for mark in channel.marks() if mark.word == "need"]
    assert (wanted(need).got, len(answer(need, large))) == {
        "half": (len(half), len(f"{len(half)}\n") + len(large.gz) - len(half)),
        "wrong": (len(half), len("0\n") + len(large.gz)),
        "too long": (2 * len(large.gz), len("0\n") + len(large.gz)),
    }[kept]
    assert not part.exists()


def test_a_part_of_another_archive_does_not_stay(host: Host, shop: Tree, first: Release) -> None:
    host.run_program(prepare(host, release(7), tree({"x": "x"})), archive=tree({"x": "x"}))
    part = host.state / "archives" / f".part-{'0' * 64}"
    part.write_bytes(b"half of something")
    host.run_program(prepare(host, first, shop), name="d2-prepare-1", archive=shop)
    assert not part.exists()


@pytest.mark.parametrize("kind", ["dash", "perl"])
def test_zstandard_is_asked_for_where_the_host_has_it(make_host: MakeHost, first: Release, kind: str) -> None:
    host = make_host(kind)
    held = tree({"a": "a", "l": "-> a"}, zst=True)
    channel = host.start(prepare(host, first, held), archive=held)
    assert channel.wait_for("need").args == ("archive zst 0 -" if kind == "dash" else "archive gz 0 -")
    assert channel.wait_for("end").args == "ok"
    assert (host.root / "releases" / first.name / "a").read_text() == "a"


def wrong(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("a", wrong("other")), Entry("l", link="a")],
        [Entry("a", wrong("a")), Entry("l", link="elsewhere")],
        [Entry("a", wrong("a")), Entry("l", link="a"), Entry("missing", wrong("x"))],
        [Entry("a", wrong("a"))],
    ],
    ids=["content", "link", "missing", "besides"],
)
def test_what_differs_from_the_manifest_is_removed_again(any_host: Host, first: Release, entries: list[Entry]) -> None:
    held = tree({"a": "a", "l": "-> a"}, manifest=manifest_of(entries))
    channel = any_host.start(prepare(any_host, first, held, "touch ../../../ran"), archive=held)
    assert channel.wait_for("end").args == "failed manifest"
    assert not (any_host.root / "releases" / first.name).exists()
    assert not (any_host.state / "releases" / first.name).exists()
    assert not (any_host.root.parent / "ran").exists()


def test_openssl_alone_can_verify(host: Host, shop: Tree, first: Release) -> None:
    folder = host.root.parent / "openssl"
    folder.mkdir()
    for source in (Path("/usr/bin"), Path("/bin")):
        for tool in source.iterdir():
            if tool.name not in {"sha256sum", "shasum", "perl"} and not (folder / tool.name).exists():
                (folder / tool.name).symlink_to(tool)
    host.path = str(folder)
    assert host.run_program(prepare(host, first, shop), archive=shop).marks()[-1] == Mark("end", "ok")
    bad = tree({"a": "a"}, manifest=manifest_of([Entry("a", wrong("b"))]))
    channel = host.run_program(prepare(host, release(2), bad), name="d2-prepare-1", archive=bad)
    assert channel.marks()[-1] == Mark("end", "failed manifest")


def test_a_file_emptied_by_a_full_disk_is_noticed(any_host: Host, shop: Tree, first: Release) -> None:
    channel = any_host.run_program(prepare(any_host, first, shop, ": > index.html; : > new"), archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed manifest")
    assert any("./index.html has become empty" in mark.args for mark in channel.marks())
    assert not (any_host.state / "releases" / first.name / "prepared").exists()


def test_unfinished_releases_are_removed_and_others_stay(host: Host, shop: Tree) -> None:
    host.run_program(prepare(host, release(1), shop, "exit 1"), archive=shop)
    foreign = host.root / "releases" / "20200101000000-abcdef0"
    foreign.mkdir()
    (foreign / "x").write_text("not ours")
    host.run_program(prepare(host, release(2), shop), name="d2-prepare-1", archive=shop)
    channel = host.run_program(prepare(host, release(3), shop), name="d3-prepare-1", archive=shop)
    assert channel.marks()[-1] == Mark("end", "ok")
    names = {release(2).name, release(3).name, foreign.name}
    assert {path.name for path in (host.root / "releases").iterdir()} == names
    assert (foreign / "x").read_text() == "not ours"


def test_a_foreign_folder_of_the_same_name_is_not_touched(host: Host, shop: Tree, first: Release) -> None:
    path = host.root / "releases" / first.name
    path.mkdir(parents=True)
    (path / "x").write_text("not ours")
    channel = host.run_program(prepare(host, first, shop), archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed release")
    assert (path / "x").read_text() == "not ours"


def test_the_live_release_is_not_laid_out_again(host: Host, shop: Tree, first: Release) -> None:
    host.run_program(prepare(host, first, shop), archive=shop)
    host.switch(first)
    channel = host.run_program(prepare(host, first, shop), name="d2-prepare-1", archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed release")
    assert (host.root / "current" / "index.html").read_text() == "<h1>Shop</h1>\n"


@pytest.mark.parametrize(
    ("bad", "pardon", "end"), [(False, False, "ok"), (True, False, "failed release"), (True, True, "ok")]
)
def test_a_held_release_is_taken_if_it_is_good(
    host: Host, shop: Tree, first: Release, bad: bool, pardon: bool, end: str
) -> None:
    host.run_program(prepare(host, first, shop), archive=shop)
    if bad:
        (host.state / "releases" / first.name / "bad").write_text("deploy 1\n")
    program = prepare_program(host.place, first, HeldSource(pardon), [], [], [HostStep("x", "cat index.html")], {})
    assert host.run_program(program, name="d2-prepare-1").marks()[-1] == Mark("end", end)


def test_an_unknown_release_cannot_be_held(host: Host, shop: Tree, first: Release) -> None:
    program = prepare_program(host.place, first, HeldSource(), [], [], [], {})
    assert host.run_program(program).marks()[-1] == Mark("end", "failed release")


def test_an_archive_that_is_none_fails_as_such(host: Host, first: Release) -> None:
    data = b"no archive at all"
    held = Tree(ArchiveSource(facts_of(data), 1), {("archive", "gz"): data}, {})
    channel = host.run_program(prepare(host, first, held), archive=held)
    assert channel.marks()[-1] == Mark("end", "failed archive")
    assert not (host.root / "releases" / first.name).exists()
