"""After the switch: steps, good or bad, and what is cleaned up."""

import os

import pytest

from deployments.host_questions import observe_command, probe_command
from deployments.host_values import HostStep, Mark, Release
from deployments.program_texts import finish_program, once_program
from tests.deployments.host_program.hosts import NONCE, Channel, Host, Tree, prepare, release
from tests.deployments.host_program.looking import content_of

OK = HostStep("ok", "true")
BAD = HostStep("bad", "exit 3")


def finish(
    host: Host, to: Release, *steps: HostStep, keep: int = 3, protect: tuple[str, ...] = (), n: int = 1
) -> Channel:
    program = finish_program(host.place, to, steps[:1], steps[1:], keep, protect, {})
    return host.run_program(program, name=f"d{n}-finish-1")


def deploy(host: Host, shop: Tree, n: int, *steps: HostStep, keep: int = 3) -> Channel:
    to = release(n)
    host.run_program(prepare(host, to, shop), name=f"d{n}-prepare-1", archive=shop)
    host.switch(to)
    return finish(host, to, *steps, keep=keep, n=n)


def record(host: Host, n: int, mark: str) -> None:
    """A release as an earlier deploy left it."""
    name = release(n).name
    (host.root / "releases" / name).mkdir(parents=True)
    folder = host.state / "releases" / name
    folder.mkdir(parents=True)
    for file in ("prepared", mark):
        (folder / file).write_text("a" * 40 + "\n")


def releases(host: Host) -> set[str]:
    return {path.name for path in (host.root / "releases").iterdir()}


def marked(host: Host, n: int) -> set[str]:
    return {path.name for path in (host.state / "releases" / release(n).name).iterdir()} & {"good", "bad"}


def test_success_marks_good_and_failure_bad(host: Host, shop: Tree) -> None:
    assert deploy(host, shop, 1, OK, OK).marks()[-1] == Mark("end", "ok")
    assert marked(host, 1) == {"good"}
    channel = deploy(host, shop, 2, OK, BAD, HostStep("never", "touch ../../../ran"))
    assert channel.marks()[-1] == Mark("end", "failed step")
    assert [mark.args for mark in channel.marks() if mark.word == "step"][-1] == "end 2 3"
    assert marked(host, 2) == {"bad"}
    assert not (host.root.parent / "ran").exists()
    assert finish(host, release(2), OK, n=3).marks()[-1] == Mark("end", "ok")
    assert marked(host, 2) == {"good"}


def test_only_the_live_release_is_finished(host: Host, shop: Tree) -> None:
    deploy(host, shop, 1, OK)
    host.run_program(prepare(host, release(2), shop), name="d2-prepare-1", archive=shop)
    channel = finish(host, release(2), HostStep("x", "touch ../../../ran"), n=2)
    assert channel.marks()[-1] == Mark("end", "failed release")
    assert not (host.root.parent / "ran").exists()
    assert marked(host, 2) == set()


@pytest.mark.parametrize("last", [OK, BAD])
def test_after_fifty_failures_what_serves_and_two_good_ones_are_left(host: Host, shop: Tree, last: HostStep) -> None:
    for n, mark in [(1, "good"), (2, "good"), (3, "good"), *((n, "bad") for n in range(4, 54))]:
        record(host, n, mark)
    foreign = host.root / "releases" / "20200101000000-abcdef0"
    foreign.mkdir()
    (host.root / "releases" / "notes").mkdir()
    channel = deploy(host, shop, 54, last)
    kept = {release(n).name for n in (2, 3, 54)}
    assert releases(host) == kept | {foreign.name, "notes"}
    gone = {mark.args for mark in channel.marks() if mark.word == "removed"}
    assert gone == {release(n).name for n in range(1, 54)} - kept
    assert {path.name for path in (host.state / "releases").iterdir()} == kept
    assert not list(host.state.glob("trash-*"))


def test_what_is_protected_or_live_stays(host: Host, shop: Tree) -> None:
    for n in range(1, 9):
        record(host, n, "bad")
    host.run_program(prepare(host, release(9), shop), name="d9-prepare-1", archive=shop)
    host.switch(release(9))
    for n in range(10, 15):
        record(host, n, "bad")
    finish(host, release(9), OK, keep=1, protect=(release(4).name,), n=9)
    assert releases(host) == {release(n).name for n in (4, 9)}


def test_what_one_went_back_to_is_there_to_go_back_to_again(any_host: Host, shop: Tree) -> None:
    for n in range(1, 6):
        record(any_host, n, "good")
        mark = any_host.state / "releases" / release(n).name / "good"
        os.utime(mark, (1000 * n, 1000 * n))
    back = any_host.state / "releases" / release(2).name / "good"
    os.utime(back, (9000, 9000))  # found good again, after 3 to 5
    deploy(any_host, shop, 6, OK, keep=3)
    assert releases(any_host) == {release(n).name for n in (2, 5, 6)}


def test_failed_ones_go_first_and_then_the_oldest(host: Host, shop: Tree) -> None:
    for n, mark in [(1, "good"), (2, "bad"), (3, "good"), (4, "good"), (5, "bad"), (6, "good")]:
        record(host, n, mark)
    deploy(host, shop, 7, OK, keep=5)
    assert releases(host) == {release(n).name for n in (1, 3, 4, 6, 7)}
    deploy(host, shop, 8, OK, keep=5)
    assert releases(host) == {release(n).name for n in (3, 4, 6, 7, 8)}


def test_old_programs_go_but_none_that_runs(host: Host, shop: Tree) -> None:
    running = host.start(prepare(host, release(1), shop, "sleep 30"), name="d0-prepare-1", archive=shop)
    running.wait_for("step")
    held = [host.state / "programs" / f"old-{n}" for n in range(30)]
    for folder in held:
        folder.mkdir()
    for n, folder in enumerate([host.state / "programs/d0-prepare-1", *held]):
        os.utime(folder, (n + 1, n + 1))
    running.send("stop\n")
    running.wait_for("end")
    deploy(host, shop, 2, OK)
    names = {path.name for path in (host.state / "programs").iterdir()}
    assert len(names) <= 22
    assert {"d2-prepare-1", "d2-finish-1"} <= names


def test_once_needs_a_prepared_release(host: Host, shop: Tree) -> None:
    step = HostStep("migrate", "echo migrated; pwd")
    program = once_program(host.place, release(1), [step], {})
    assert host.run_program(program, name="d1-once-1").marks()[-1] == Mark("end", "failed release")
    host.run_program(prepare(host, release(1), shop), archive=shop)
    channel = host.run_program(program, name="d1-once-2")
    assert f"migrated\n{host.root}/releases/{release(1).name}\n".encode() in channel.data


def observed(host: Host, command: str) -> list[Mark]:
    return host.run(command).to_end()


def test_observing_tells_all_and_writes_nothing(any_host: Host, shop: Tree) -> None:
    observe = observe_command(any_host.place, nonce=NONCE)
    marks = observed(any_host, observe)
    assert marks[:3] == [Mark("current", "-"), Mark("revision", "-"), Mark("fence", "0")]
    assert not any_host.root.exists()
    deploy(any_host, shop, 1, OK)
    any_host.run_program(prepare(any_host, release(2), shop, "exit 1"), name="d2-prepare-1", fence=5, archive=shop)
    running = any_host.start(
        prepare(any_host, release(3), shop, f"echo there; {any_host.gate}"), name="d3-p", fence=6, archive=shop
    )
    running.wait_text(b"there\n")
    before = content_of(any_host.root)
    marks = observed(any_host, observe)
    assert content_of(any_host.root) == before
    assert marks[:3] == [Mark("current", release(1).name), Mark("revision", "a" * 40), Mark("fence", "6")]
    assert Mark("release", f"{release(1).name} good") in marks
    assert Mark("release", f"{release(3).name} partial") in marks
    assert Mark("program", "d1-finish-1 ended ok") in marks
    assert Mark("program", "d2-prepare-1 ended failed step") in marks
    assert Mark("program", "d3-p running -") in marks
    assert marks[-1].word == "tools"


def test_a_folder_of_another_tool_can_be_observed(host: Host) -> None:
    path = host.root / "releases" / "20240101000000"
    path.mkdir(parents=True)
    (path / "REVISION").write_text("b" * 40)
    (host.root / "current").symlink_to(path)
    marks = observed(host, observe_command(host.place, nonce=NONCE))
    assert marks[:3] == [Mark("current", "20240101000000"), Mark("revision", "b" * 40), Mark("fence", "0")]


def test_probing_says_what_a_host_lacks(any_host: Host) -> None:
    words = {mark.word: mark.args for mark in observed(any_host, probe_command(any_host.place, nonce=NONCE))}
    assert words["root"] == "creatable"
    assert "missing" not in words
    assert int(words["disk"].split()[0]) > 0
    assert not any_host.root.exists()


def test_probing_names_missing_tools_and_a_folder_in_the_way(host: Host) -> None:
    few = host.root.parent / "few"
    few.mkdir()
    (few / "sh").symlink_to("/bin/dash")
    host.path = str(few)
    (host.root / "current").mkdir(parents=True)
    words = {mark.word: mark.args for mark in observed(host, probe_command(host.place, nonce=NONCE))}
    assert words["missing"] == "tar flock setsid head mv-T sha256sum"
    assert words["root"] == f"refused {host.root}/current is there and is not a link"
    assert words["tools"] == "sh"
