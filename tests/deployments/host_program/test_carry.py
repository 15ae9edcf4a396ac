"""A release that differs little from the one that serves: only what differs travels, and nothing is shared."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.host_values import Changes, HostStep, Mark, Release
from deployments.manifests import changes_of
from deployments.program_texts import prepare_program
from tests.deployments.host_program.conftest import MakeHost
from tests.deployments.host_program.hosts import Host, Tree, entries_of, facts_of, packed, prepare, release, tree

OLD = {"a b/c'd": "one\n", "-rf": "y", "gone/x": "z", "run.sh": "#!/bin/sh\n", "link": "-> -rf", "e": "", "was": "f"}
NEW = {"a b/c'd": "two\n", "-rf": "y", "run.sh": "#!/bin/sh\n", "link": "-> -rf", "e": "", "was/now": "d", "n": "-> e"}


@pytest.fixture
def old() -> Tree:
    return tree(OLD)


@pytest.fixture
def new(old: Tree) -> Tree:
    return tree(NEW, base=old)


def serve(host: Host, held: Tree, *commands: str, linked: tuple[str, ...] = ()) -> None:
    """The first release, live."""
    host.run_program(program(host, release(1), held, *commands, linked=linked), archive=held)
    host.switch(release(1))


def program(host: Host, to: Release, held: Tree, *commands: str, linked: tuple[str, ...] = ()) -> str:
    steps = [HostStep(f"step {n}", command) for n, command in enumerate(commands, 1)]
    return prepare_program(host.place, to, held.source, linked, [], steps, {})


def asked(
    host: Host, to: Release, held: Tree, *commands: str, name: str = "d2-prepare-1", linked: tuple[str, ...] = ()
) -> tuple[str, str]:
    """What the host asked for, and how the program ended."""
    channel = host.run_program(program(host, to, held, *commands, linked=linked), name=name, archive=held)
    need = [mark.args.split()[0] for mark in channel.marks() if mark.word in ("need", "have")]
    return need[0], channel.marks()[-1].args


def laid_out(host: Host, to: Release) -> dict[str, str]:
    root = host.root / "releases" / to.name
    return {
        str(path.relative_to(root)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.name != "REVISION"
    }


def without_changes(held: Tree) -> Tree:
    return replace(held, source=replace(held.source, changes=None))


@pytest.mark.parametrize("kind", ["dash", "perl"])
def test_only_what_differs_travels(kind: str, make_host: MakeHost, old: Tree, new: Tree) -> None:
    host = make_host(kind)
    serve(host, old)
    assert asked(host, release(2), new) == ("changes", "ok")
    assert laid_out(host, release(2)) == NEW
    assert not (host.root / "releases" / release(2).name / "gone").exists()
    assert os.access(host.root / "releases" / release(2).name / "run.sh", os.X_OK)
    assert laid_out(host, release(1)) == OLD
    host.switch(release(2))
    third = tree({**OLD, "third": "3"}, base=new)
    assert asked(host, release(3), third, name="d3-prepare-1") == ("changes", "ok")
    assert laid_out(host, release(3)) == third.files


def test_a_host_that_cannot_tell_times_gets_the_whole(make_host: MakeHost, old: Tree, new: Tree) -> None:
    host: Host = make_host("busybox")
    serve(host, old)
    assert not (host.state / "releases" / release(1).name / "laid").exists()
    assert asked(host, release(2), new) == ("archive", "ok")
    assert laid_out(host, release(2)) == NEW


def test_nothing_is_shared_whoever_writes(host: Host, old: Tree, new: Tree) -> None:
    """In both directions: by steps of the new release, and by the old one that still serves."""
    serve(host, old)
    assert asked(host, release(2), new, "echo more >>-rf; chmod 600 e; touch -d 2001-01-01 run.sh") == ("changes", "ok")
    before, after = (host.root / "releases" / release(n).name for n in (1, 2))
    assert ((before / "-rf").read_text(), (after / "-rf").read_text()) == ("y", "ymore\n")
    assert [(before / "e").stat().st_mode & 0o777, (after / "e").stat().st_mode & 0o777] == [0o644, 0o600]
    with (before / "run.sh").open("a") as file:
        file.write("exit 1\n")
    assert (after / "run.sh").read_text() == "#!/bin/sh\n"
    assert not {path.lstat().st_ino for path in before.rglob("*")} & {path.lstat().st_ino for path in after.rglob("*")}


def test_what_steps_have_made_or_changed_stays_in_their_release(host: Host, old: Tree, new: Tree) -> None:
    serve(host, old, "mkdir -p gone build; echo made >build/asset; echo made >gone/asset")
    assert asked(host, release(2), new) == ("changes", "ok")
    assert laid_out(host, release(2)) == NEW


@pytest.mark.parametrize("command", ["echo x >>-rf", "rm e", "chmod 600 e", "cp -p e f; cat f >e; touch -r f e"])
def test_a_release_whose_steps_changed_its_files_is_no_base(host: Host, old: Tree, new: Tree, command: str) -> None:
    serve(host, old, command)
    assert asked(host, release(2), new) == ("archive", "ok")
    assert laid_out(host, release(2)) == NEW


def same_size_and_time(path: Path) -> None:
    times = path.stat()
    path.write_text("q")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("harm", [same_size_and_time, Path.unlink, lambda path: path.rename(path.with_name("b"))])
def test_what_the_application_changed_while_it_served_is_noticed(
    host: Host, old: Tree, new: Tree, harm: Callable[[Path], object]
) -> None:
    serve(host, old)
    harm(host.root / "current" / "-rf")
    assert asked(host, release(2), new, "touch ../../../ran") == ("changes", "failed base")
    assert not (host.root / "releases" / release(2).name).exists()
    assert not (host.root.parent / "ran").exists()
    whole = without_changes(new)
    assert asked(host, release(2), whole, name="d2-prepare-2") == ("archive", "ok")
    assert laid_out(host, release(2)) == NEW


def test_changes_that_are_not_what_they_say_are_refused(host: Host, old: Tree) -> None:
    serve(host, old)
    honest = tree(NEW, base=old)
    differing = {name: text for name, text in NEW.items() if OLD.get(name) != text}
    data = packed({**differing, "a b/c'd": "six\n"}, changes_of(entries_of(differing), ["gone/x", "was"]))
    lying = replace(honest.source, changes=Changes(old.source.gz.sha256, facts_of(data)))
    bent = Tree(lying, {**honest.data, ("changes", "gz"): data}, NEW)
    assert asked(host, release(2), bent, "touch ../../../ran") == ("changes", "failed manifest")
    assert not (host.root.parent / "ran").exists()


def test_a_file_that_no_manifest_names_is_not_taken(host: Host, old: Tree) -> None:
    serve(host, old)
    honest = tree(NEW, base=old)
    differing = {name: text for name, text in NEW.items() if OLD.get(name) != text}
    data = packed({**differing, "besides": "x"}, changes_of(entries_of(differing), ["gone/x", "was"]))
    more = replace(honest.source, changes=Changes(old.source.gz.sha256, facts_of(data)))
    bent = Tree(more, {**honest.data, ("changes", "gz"): data}, NEW)
    assert asked(host, release(2), bent, "touch ../../../ran") == ("changes", "failed base")
    assert not (host.root.parent / "ran").exists()


def test_what_a_link_replaces_is_no_difference(host: Host) -> None:
    old = tree({"log/.keep": "k", "log/more/.keep": "k", "x": "1"})
    new = tree({"log/.keep": "k", "log/more/.keep": "k", "x": "2"}, base=old)
    serve(host, old, linked=("log",))
    assert asked(host, release(2), new, linked=("log",)) == ("changes", "ok")
    assert laid_out(host, release(2)) == {"log": "-> ../../shared/log", "x": "2"}
    host.switch(release(2))
    again = tree({"log/.keep": "k", "log/more/.keep": "k", "x": "3"}, base=new)
    assert asked(host, release(3), again, name="d3-prepare-1") == ("changes", "failed base"), "log is linked no longer"
    whole = without_changes(again)
    assert asked(host, release(3), whole, name="d3-prepare-2") == ("archive", "ok")
    assert laid_out(host, release(3)) == again.files


def test_another_base_than_the_one_that_serves_is_not_taken(host: Host, old: Tree) -> None:
    serve(host, old)
    assert asked(host, release(2), tree(NEW, base=tree({"other": "x"}))) == ("archive", "ok")


def test_a_file_emptied_by_a_full_disk_is_noticed(host: Host, old: Tree, new: Tree) -> None:
    serve(host, old)
    channel = host.run_program(prepare(host, release(2), new, ": >run.sh"), name="d2-prepare-1", archive=new)
    assert channel.marks()[-1] == Mark("end", "failed manifest")
    assert any("./run.sh has become empty" in mark.args for mark in channel.marks())


LARGE = {"assets/a b'c.bin": "a" * 300_000, "assets/run.sh": "#!/bin/sh\n" + "#" * 300_000, "x": "1"}


def serve_large(host: Host, cp: str) -> Tree:
    """A release with two large files serves; `cp` is what the host has under that name."""
    held = tree(LARGE)
    serve(host, held)
    tool = host.root.parent / "tools" / "cp"
    tool.unlink(missing_ok=True)
    tool.write_text(f'#!/bin/sh\necho "$*" >>"{host.root.parent}/cp.log"\n{cp}\n')
    tool.chmod(0o755)
    return held


@pytest.mark.parametrize("cp", ['exec /bin/cp "$@"', "exit 1", '/bin/cp "$@"; exit 1'])
def test_large_files_are_copied_as_blocks_where_cp_can_do_that(host: Host, cp: str) -> None:
    old = serve_large(host, cp)
    new = tree({**LARGE, "x": "2"}, base=old)
    assert asked(host, release(2), new) == ("changes", "ok")
    assert laid_out(host, release(2)) == new.files
    told = (host.root.parent / "cp.log").read_text()
    assert "--reflink=auto" in told
    assert "./assets/run.sh" in told
    assert "./x" not in told
    for name in LARGE:
        before, after = ((host.root / "releases" / release(n).name / name).stat() for n in (1, 2))
        assert (before.st_mode, before.st_ino == after.st_ino) == (after.st_mode, False)
        assert name == "x" or before.st_mtime == after.st_mtime


def test_a_large_file_that_cp_cut_short_is_noticed(host: Host) -> None:
    old = serve_large(host, '/bin/cp "$@" || exit; while [ "$1" != -t ]; do shift; done; echo short >"$2/$3"')
    new = tree({**LARGE, "x": "2"}, base=old)
    assert asked(host, release(2), new, "touch ../../../ran") == ("changes", "failed base")
    assert not (host.root.parent / "ran").exists()
