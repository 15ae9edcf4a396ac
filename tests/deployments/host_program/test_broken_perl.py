"""A perl that is first in PATH and does not work: the shell does it all, or says clearly why it cannot."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.host_questions import probe_command
from deployments.host_values import Mark, Release
from deployments.program_texts import once_program
from tests.deployments.host_program.conftest import MakeHost
from tests.deployments.host_program.hosts import NONCE, Host, Tree, prepare

LIBRARY = "perl: error while loading shared libraries: libperl.so.5.36: cannot open shared object file"


def break_library(host: Host) -> None:
    put_first(host, f"#!/bin/sh\necho '{LIBRARY}' >&2\nexit 127\n")


def break_itself(host: Host) -> None:
    put_first(host, "#!/bin/sh\nkill -SEGV $$\n")


def lack_modules(host: Host) -> None:
    """As a system whose perl comes in parts."""
    parts = host.root.parent / "parts"
    (parts / "Digest").mkdir(parents=True)
    for name in ("POSIX.pm", "Digest/SHA.pm"):
        (parts / name).write_text(f'die "Can\'t locate {name} in \\@INC\\n";\n')
    put_first(host, f"#!/bin/sh\nexec {shutil.which('perl')} -I'{parts}' \"$@\"\n")


def put_first(host: Host, text: str) -> None:
    folder = host.root.parent / "first"
    folder.mkdir()
    (folder / "perl").write_text(text)
    (folder / "perl").chmod(0o755)
    host.path = f"{folder}:{host.path}"


Break = Callable[[Host], None]


@pytest.mark.parametrize("broken", [break_library, break_itself, lack_modules])
@pytest.mark.parametrize("kind", ["dash", "plain"])
def test_the_shell_prepares_and_switches_without_it(
    make_host: MakeHost, shop: Tree, first: Release, broken: Break, kind: str
) -> None:
    host = make_host(kind)
    broken(host)
    done = host.run_program(prepare(host, first, shop, "echo built"), archive=shop)
    assert done.marks()[-1] == Mark("end", "ok")
    host.switch(first)
    assert host.live() == f"releases/{first.name}"


@pytest.mark.parametrize(
    ("broken", "lacking", "why"),
    [
        (break_library, "flock setsid mv-T sha256sum", LIBRARY),
        (lack_modules, "flock setsid mv-T sha256sum", "Can't locate POSIX.pm in @INC"),
    ],
)
def test_where_it_would_have_to_stand_in_its_fault_is_told(
    make_host: MakeHost, shop: Tree, first: Release, broken: Break, lacking: str, why: str
) -> None:
    host = make_host("perl")
    broken(host)
    fault = f"its {host.root.parent}/first/perl does not work: {why}"
    (mark,) = host.start(prepare(host, first, shop), archive=shop).to_end()
    told = f"this host lacks {lacking}, and {fault}; install that, or mend its perl, which stands in for all but tar"
    assert mark == Mark("refused", f"tools {told}")
    assert host.start(once_program(host.place, first, [], {}), name="d1-once-1").to_end() == [mark]
    if broken is break_library:  # to switch takes none of these modules
        assert host.arm(first).to_end()[-1] == mark
    assert not (Path(host.state) / "programs").exists() or not list((host.state / "programs").iterdir())
    words = {mark.word: mark.args for mark in host.run(probe_command(host.place, nonce=NONCE)).to_end()}
    assert (words["missing"], words["broken"]) == (lacking, fault)
    assert ("perl" in words["tools"].split()) == (broken is lack_modules)


def test_modules_that_a_tool_stands_in_for_are_not_missed(make_host: MakeHost, shop: Tree, first: Release) -> None:
    """Flock and an mv that knows -T are missing; perl can do what these do."""
    host = make_host("perl")
    for tool in ("setsid", "sha256sum"):
        (Path(host.path) / tool).symlink_to(str(shutil.which(tool)))
    lack_modules(host)
    assert host.run_program(prepare(host, first, shop), archive=shop).marks()[-1] == Mark("end", "ok")
    host.switch(first)
    assert host.live() == f"releases/{first.name}"
