"""The switch: armed, it waits for one word; `current` is never missing."""

import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from deployments import host_program
from deployments.host_values import Mark, quote
from tests.conftest import Wait
from tests.deployments.host_program.hosts import Host, Tree, prepare, release
from tests.deployments.host_program.looking import content_of, processes_with


def prepared(host: Host, shop: Tree) -> Host:
    """A host with two prepared releases."""
    for n in (1, 2):
        host.run_program(prepare(host, release(n), shop), name=f"d{n}-prepare-1", archive=shop)
    return host


@pytest.fixture
def ready(host: Host, shop: Tree) -> Host:
    return prepared(host, shop)


@pytest.fixture
def any_ready(any_host: Host, shop: Tree) -> Host:
    return prepared(any_host, shop)


def test_flip_switches_and_is_recorded(any_ready: Host) -> None:
    any_ready.switch(release(1))
    channel = any_ready.arm(release(2, by="Ada\nX"))
    assert channel.wait_for("armed").args == release(1).name
    assert any_ready.live() == f"releases/{release(1).name}"
    channel.send("flip\n")
    marks = channel.to_end()
    assert channel.process.returncode == 0
    assert re.fullmatch(rf"{release(1).name} \d{{10}}(\d{{3}})?", marks[-1].args)
    assert any_ready.live() == f"releases/{release(2).name}"
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
    lines = (any_ready.root / "revisions.log").read_text().splitlines()
    assert re.fullmatch(rf"{time} {release(1).name} {'a' * 40} was - deploy 1 by Ada Lovelace", lines[0])
    assert re.fullmatch(rf"{time} {release(2).name} {'a' * 40} was {release(1).name} deploy 2 by Ada X", lines[1])
    journal = (any_ready.state / "journal").read_text().splitlines()
    assert journal[1].split()[1:] == ["1", "d1-switch-1", release(1).name, release(2).name]
    digits = 10 if any_ready.kind == "busybox" else 13  # milliseconds where date or perl knows them
    assert len(journal[1].split()[0]) == digits


def test_the_end_of_input_is_no_word(any_ready: Host) -> None:
    channel = any_ready.arm(release(2))
    channel.wait_for("armed")
    assert channel.close()[-1].word == "not-switched"
    assert not os.path.lexists(any_ready.root / "current")


@pytest.mark.parametrize("word", ["", "stop\n", "flip", "flip it\n", "FLIP\n"])
def test_without_the_word_nothing_changes(ready: Host, word: str) -> None:
    ready.switch(release(1))
    before = content_of(ready.root)
    channel = ready.arm(release(2))
    channel.wait_for("armed")
    channel.send(word)
    assert channel.close()[-1] == Mark("not-switched", "the word did not come")
    assert channel.process.returncode == 1
    assert content_of(ready.root) == before


def test_it_waits_only_so_long(any_ready: Host, eventually: Wait) -> None:
    any_ready.switch(release(1))
    before = content_of(any_ready.root)
    channel = any_ready.arm(release(2), seconds=1)
    assert channel.wait_for("not-switched").args == "the word did not come"
    channel.to_end()
    assert content_of(any_ready.root) == before
    eventually(lambda: not processes_with(any_ready.path))


def test_a_newer_claim_disarms(ready: Host) -> None:
    ready.switch(release(1))
    channel = ready.arm(release(2), fence=3)
    channel.wait_for("armed")
    newer = ready.arm(release(2), name="d2-switch-1", fence=4)
    assert newer.to_end() == [Mark("refused", "lock another program is at work in this folder")]
    channel.send("flip\n")
    assert channel.to_end()[-1].word == "not-switched"
    assert ready.live() == f"releases/{release(1).name}"


def test_only_prepared_releases_are_switched_to(ready: Host) -> None:
    (ready.state / "releases" / release(2).name / "prepared").unlink()
    (mark,) = ready.arm(release(2)).to_end()
    assert mark == Mark("refused", f"release release {release(2).name} is not prepared on this host")
    assert not os.path.lexists(ready.root / "current")


def test_a_current_that_is_a_folder_is_left_alone(ready: Host) -> None:
    (ready.root / "current").mkdir()
    (mark,) = ready.arm(release(1)).to_end()
    assert "is not a link" in mark.args
    assert (ready.root / "current").is_dir()


def test_to_switch_to_what_serves_changes_nothing(ready: Host) -> None:
    ready.switch(release(1))
    before = content_of(ready.root)
    ready.switch(release(1))
    assert content_of(ready.root) == before


def test_a_killed_switch_leaves_the_lock_and_the_link(ready: Host, eventually: Wait) -> None:
    ready.switch(release(1))
    channel = ready.arm(release(2))
    channel.wait_for("armed")
    os.killpg(channel.process.pid, signal.SIGKILL)  # the shell waits for its perl
    assert ready.live() == f"releases/{release(1).name}"
    ready.switch(release(2))
    assert not list(ready.state.glob("next-*"))


@pytest.mark.parametrize("operator", ["-ef", "-unknown"])
def test_what_serves_is_known_where_test_knows_no_ef(ready: Host, operator: str) -> None:
    ready.switch(release(1))
    tools = (Path(host_program.__file__).parent / "hostside" / "tools.sh").read_text().replace("-ef", operator)
    each = "for name; do if serves $name; then echo yes; else echo no; fi; done"
    asked = f"root={quote(str(ready.root))}\n{tools}\n{each}"
    names = [release(1).name, release(2).name, "none"]
    said = subprocess.run(["sh", "-c", asked, "sh", *names], capture_output=True, text=True, check=True)
    assert (said.stdout.split(), said.stderr) == (["yes", "no", "no"], "")
    (ready.root / "current").unlink()
    (ready.root / "current").mkdir()
    assert subprocess.check_output(["sh", "-c", asked, "sh", *names], text=True).split() == ["no"] * 3


def test_current_is_never_missing(any_ready: Host) -> None:
    """100 switches on each of four kinds of hosts, under a reader that never rests."""
    any_ready.switch(release(1))
    misses, reads, over = [], [0], threading.Event()

    def read() -> None:
        while not over.is_set():
            reads[0] += 1
            try:
                (any_ready.root / "current" / "index.html").read_text()
            except OSError as error:
                misses.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for n in range(100):
            any_ready.switch(release(1 + (n + 1) % 2))
    finally:
        over.set()
        reader.join()
    assert misses == []
    assert reads[0] > 100
