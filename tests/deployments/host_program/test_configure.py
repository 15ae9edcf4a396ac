"""A release's configuration on a host: whole, for its owner alone, known to steps, and no hindrance to what follows."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.host_values import ConfiguredFile, HeldSource, HostConfiguration, HostStep, Mark, Release
from deployments.program_texts import once_program, prepare_program
from environments.configuration.writing import env_text, export_text
from tests.deployments.host_program.hosts import Host, Tree, release, tree
from tests.deployments.host_program.test_steps import HOSTILE

VALUES = {"TOKEN": HOSTILE.replace("\x00", ""), "EMPTY": "", "LINES": "a\nb\n"}


def configured(values: dict[str, str] = VALUES, files: Mapping[str, str] | None = None) -> HostConfiguration:
    texts = {".env": env_text(values), **(files or {})}
    made = [ConfiguredFile(path, hashlib.sha256(text.encode()).hexdigest(), text) for path, text in texts.items()]
    return HostConfiguration(export_text(values), tuple(made))


def program(host: Host, to: Release, held: Tree, what: HostConfiguration, *commands: str) -> str:
    steps = [HostStep(f"step{n}", command, 20) for n, command in enumerate(commands)]
    return prepare_program(host.place, to, held.source, [], [], steps, {}, configuration=what)


def test_files_are_written_for_their_owner_alone_and_steps_know_the_values(any_host: Host, first: Release) -> None:
    any_host.place = replace(any_host.place, umask="000")
    held = tree({"a": "x", "config/app.conf": "token=${TOKEN}", "bin/run.sh": "#!/bin/sh\n"})
    what = configured(files={"config/app.conf": "[new]"})
    text = program(any_host, first, held, what, 'printf "<%s>{%s}" "$TOKEN" "$LINES"')
    channel = any_host.run_program(text, archive=held)
    assert channel.marks()[-1] == Mark("end", "ok"), channel.data
    assert f"<{VALUES['TOKEN']}>{{a\nb\n}}".encode() in channel.data
    path = any_host.root / "releases" / first.name
    assert (path / ".env").read_text() == env_text(VALUES)
    assert (path / "config/app.conf").read_text() == "[new]"
    assert {(path / name).stat().st_mode & 0o777 for name in (".env", "config/app.conf")} == {0o600}
    assert (any_host.state / "releases" / first.name / "values").stat().st_mode & 0o777 == 0o600
    assert not list(any_host.root.parent.rglob("canary"))
    assert any_host.state.joinpath("programs/d1-prepare-1/program").read_text() == ""


def test_a_file_that_can_be_run_still_can(host: Host, first: Release) -> None:
    held = tree({"bin/run.sh": "#!/bin/sh\necho ${A}\n"})
    host.run_program(program(host, first, held, configured(files={"bin/run.sh": "#!/bin/sh\n"})), archive=held)
    assert (host.root / "releases" / first.name / "bin/run.sh").stat().st_mode & 0o777 == 0o700


def test_later_programs_of_the_release_know_the_values_too(any_host: Host, shop: Tree, first: Release) -> None:
    any_host.run_program(program(any_host, first, shop, configured({"A": "it's"})), archive=shop)
    once = once_program(any_host.place, first, [HostStep("x", 'echo "<$A>"', 10)], {})
    assert b"<it's>" in any_host.run_program(once, name="d1-once-1").data


def test_each_release_keeps_its_own(host: Host, shop: Tree, first: Release) -> None:
    host.run_program(program(host, first, shop, configured({"A": "one"})), archive=shop)
    host.switch(first)
    second = release(2, "b" * 40)
    host.run_program(program(host, second, shop, configured({"A": "two"})), name="d2-prepare-1", fence=2, archive=shop)
    host.switch(second, fence=2)
    back = prepare_program(host.place, first, HeldSource(), [], [], [], {})
    assert host.run_program(back, name="d3-prepare-1", fence=3).marks()[-1] == Mark("end", "ok")
    assert "A='one'" in (host.root / "releases" / first.name / ".env").read_text()
    step = once_program(host.place, first, [HostStep("x", 'echo "<$A>"', 10)], {})
    assert b"<one>" in host.run_program(step, name="d3-once-1", fence=3).data


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"folder": "x"}, "folder is a folder in the revision"),
        ({"out/side": "x"}, "out is itself a link"),
        ({"a/b": "x"}, "a/b cannot be put there"),
    ],
)
def test_what_cannot_lie_there_is_told(
    host: Host, first: Release, tmp_path: Path, files: dict[str, str], says: str
) -> None:
    held = tree({"folder/x": "y", "out": f"-> {tmp_path}", "a": "x"})
    text = program(host, first, held, configured({}, files), "touch ../../../ran")
    channel = host.run_program(text, archive=held)
    assert channel.marks()[-1].args.startswith("failed ")
    assert any(says in mark.args for mark in channel.marks())
    assert not (host.root.parent / "ran").exists()
    assert not (tmp_path / "side").exists()


def test_a_link_of_the_revision_is_replaced_and_not_followed(host: Host, first: Release) -> None:
    outside = host.root.parent / "outside"
    outside.write_text("theirs")
    held = tree({"settings": f"-> {outside}", "a": "x"})
    host.run_program(program(host, first, held, configured({}, {"settings": "ours"})), archive=held)
    path = host.root / "releases" / first.name / "settings"
    assert (path.read_text(), path.is_symlink(), outside.read_text()) == ("ours", False, "theirs")


def test_what_did_not_arrive_as_it_was_sent_never_goes_live(host: Host, shop: Tree, first: Release) -> None:
    wrong = HostConfiguration("", (ConfiguredFile(".env", "0" * 64, "A='x'\n"),))
    channel = host.run_program(program(host, first, shop, wrong), archive=shop)
    assert channel.marks()[-1] == Mark("end", "failed configuration")
    assert not (host.state / "releases" / first.name / "prepared").exists()


def test_only_what_differs_still_travels_after_a_file_was_filled(host: Host) -> None:
    """A filled file is no longer as the revision has it; that must not make the next release come whole."""
    old = tree({f"file{n}": "x" * n for n in range(20)} | {"app.conf": "a=${A}"})
    new = tree(old.files | {"file3": "other"}, base=old)
    one, two = release(1), release(2, "b" * 40)
    host.run_program(program(host, one, old, configured({"A": "1"}, {"app.conf": "a=1"})), archive=old)
    host.switch(one)
    text = program(host, two, new, configured({"A": "2"}, {"app.conf": "a=2"}))
    channel = host.run_program(text, name="d2-prepare-1", fence=2, archive=new)
    assert Mark("have", "changes") in channel.marks()
    assert channel.marks()[-1] == Mark("end", "ok")
    path = host.root / "releases" / two.name
    assert ((path / "app.conf").read_text(), (path / "file3").read_text()) == ("a=2", "other")
    assert sorted(os.listdir(path)) == sorted([*old.files, ".env", "REVISION"])
