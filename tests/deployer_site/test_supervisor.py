"""The supervisor with small programs of our own; test_up.py does the same with the real ones."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deployer_site.console import Console
from deployer_site.lifeline import Lifeline
from deployer_site.programs import Program
from deployer_site.supervisor import Supervisor, next_pause
from tests.conftest import Wait
from tests.patience import PATIENCE


def script(name: str, text: str, *, once: bool = False, hide: tuple[str, ...] = ()) -> Program:
    return Program(name=name, command=("/bin/sh", "-c", text), once=once, hide=hide)


def is_alive(process: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped yet does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")


class Stage:
    """A running supervisor, what it printed, and the process ids that its programs wrote."""

    def __init__(self, supervisor: Supervisor, printed: io.StringIO, folder: Path) -> None:
        self.supervisor, self._printed, self.folder = supervisor, printed, folder

    @property
    def printed(self) -> str:
        return self._printed.getvalue()

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def pids(self, name: str) -> list[int]:
        file = self.folder / name
        return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    line = Lifeline()
    yield line
    line.close()


@asynccontextmanager
async def running(lifeline: Lifeline, folder: Path, programs: list[Program]) -> AsyncIterator[Stage]:
    printed = io.StringIO()
    supervisor = Supervisor(console=Console(printed), lifeline=lifeline)
    supervisor.keep(programs)
    end = asyncio.create_task(supervisor.until_stopped())
    try:
        yield Stage(supervisor, printed, folder)
    finally:
        if not supervisor.stopping:
            supervisor.ask_to_stop()
        async with asyncio.timeout(PATIENCE):
            await end


def recorded(folder: Path, name: str, then: str, *, first: str = "") -> Program:
    """A program that does `first`, writes its process id to a file and then does `then`."""
    return script(name, f"{first or ':'}; echo $$ >> '{folder}/{name}'; {then}")


async def test_it_prints_lines_with_the_name_in_front(lifeline: Lifeline, tmp_path: Path) -> None:
    talker = script("talker", "echo one; printf 'caf\\303\\251 \\377\\nno end'; exec sleep 60", hide=("two",))
    async with running(lifeline, tmp_path, [talker]) as stage:
        await stage.until(lambda: "café" in stage.printed)
    assert "talker   | one\n" in stage.printed
    assert "talker   | café \ufffd\n" in stage.printed
    assert "talker   | no end\n" in stage.printed


async def test_it_starts_what_died_again(lifeline: Lifeline, tmp_path: Path) -> None:
    async with running(lifeline, tmp_path, [recorded(tmp_path, "victim", "exec sleep 60")]) as stage:
        await stage.until(lambda: stage.pids("victim"))
        os.kill(stage.pids("victim")[0], signal.SIGKILL)
        await stage.until(lambda: len(stage.pids("victim")) == 2)
        assert "victim   | ended with signal SIGKILL; starting it again in 1 s." in stage.printed
    assert not is_alive(stage.pids("victim")[1])


async def test_what_died_leaves_nothing_of_its_group_behind(lifeline: Lifeline, tmp_path: Path) -> None:
    parent = recorded(tmp_path, "parent", f"sleep 60 & echo $! >> '{tmp_path}/child'; wait")
    async with running(lifeline, tmp_path, [parent]) as stage:
        await stage.until(lambda: stage.pids("child"))
        os.kill(stage.pids("parent")[0], signal.SIGKILL)
        await stage.until(lambda: not is_alive(stage.pids("child")[0]))


async def test_a_task_that_failed_is_tried_again_until_it_succeeds(lifeline: Lifeline, tmp_path: Path) -> None:
    text = f"echo try >> '{tmp_path}/tries'; [ $(wc -l < '{tmp_path}/tries') -ge 2 ]"
    async with running(lifeline, tmp_path, [script("seed", text, once=True)]) as stage:
        await stage.until(lambda: "exit code 1; starting it again" in stage.printed)
        await stage.until(lambda: (tmp_path / "tries").read_text().count("try") == 2)
    assert "exit code 0" not in stage.printed


async def test_it_ends_everything_politely(lifeline: Lifeline, tmp_path: Path) -> None:
    polite = recorded(tmp_path, "polite", "while :; do sleep 0.1; done", first="trap 'echo bye; exit' TERM")
    async with running(lifeline, tmp_path, [polite]) as stage:
        await stage.until(lambda: stage.pids("polite"))
    assert "polite   | bye" in stage.printed
    assert not is_alive(stage.pids("polite")[0])


async def test_asked_twice_it_ends_everything_at_once(
    lifeline: Lifeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer_site.supervisor.STOP_SECONDS", 1000)
    stubborn = recorded(tmp_path, "stubborn", "while :; do sleep 0.1; done", first="trap '' TERM")
    async with running(lifeline, tmp_path, [stubborn]) as stage:
        await stage.until(lambda: stage.pids("stubborn"))
        stage.supervisor.ask_to_stop()
        await asyncio.sleep(0)
        assert is_alive(stage.pids("stubborn")[0])
        stage.supervisor.ask_to_stop()
        await stage.until(lambda: not is_alive(stage.pids("stubborn")[0]))


async def test_what_does_not_end_in_time_is_ended(
    lifeline: Lifeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployer_site.supervisor.STOP_SECONDS", 0.3)
    stubborn = recorded(tmp_path, "stubborn", "while :; do sleep 0.1; done", first="trap '' TERM")
    async with running(lifeline, tmp_path, [stubborn]) as stage:
        await stage.until(lambda: stage.pids("stubborn"))
    assert "stubborn did not stop" in stage.printed
    assert not is_alive(stage.pids("stubborn")[0])


async def test_valkey_goes_last(lifeline: Lifeline, tmp_path: Path) -> None:
    ends = [
        script(name, f"trap 'echo {name} >> \"{tmp_path}/ends\"; exit' TERM; echo up; while :; do sleep 0.05; done")
        for name in ("valkey", "web")
    ]
    async with running(lifeline, tmp_path, ends) as stage:
        await stage.until(lambda: stage.printed.count("up") == 2)
    assert (tmp_path / "ends").read_text().split() == ["web", "valkey"]


async def test_a_watcher_that_died_is_replaced(lifeline: Lifeline, tmp_path: Path) -> None:
    async with running(lifeline, tmp_path, [recorded(tmp_path, "kept", "exec sleep 60")]) as stage:
        await stage.until(lambda: stage.pids("kept"))
        os.kill(lifeline.watcher_pid, signal.SIGKILL)
        await stage.until(lambda: "watcher had died" in stage.printed)
        assert is_alive(stage.pids("kept")[0])


def test_pauses_grow_and_are_forgotten_after_a_steady_minute() -> None:
    pauses = [0.5]
    for _ in range(7):
        pauses.append(next_pause(pauses[-1], ran=0.1))
    assert pauses[1:] == [1, 2, 4, 8, 16, 30, 30]
    assert next_pause(30, ran=61) == 1


SUPERVISE = """
    import asyncio, sys
    import django
    django.setup()
    from deployer_site.console import Console
    from deployer_site.lifeline import Lifeline
    from deployer_site.programs import Program
    from deployer_site.supervisor import Supervisor

    async def main():
        supervisor = Supervisor(console=Console(), lifeline=Lifeline())
        supervisor.keep([Program(name=f"p{n}", command=("/bin/sh", "-c", text)) for n, text in enumerate(sys.argv[1:])])
        await supervisor.until_stopped()

    asyncio.run(main())
"""


def test_kill_9_of_the_supervisor_leaves_no_process(tmp_path: Path, eventually: Wait) -> None:
    record = f"echo $$ >> '{tmp_path}/pids'"
    texts = [
        f"{record}; exec sleep 60",
        f"{record}; trap '' TERM HUP INT; while :; do sleep 0.1; done",
        f"{record}; sleep 60 & echo $! >> '{tmp_path}/pids'; wait",
    ]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SUPERVISE), *texts], stdout=subprocess.DEVNULL
    ) as supervisor:
        file = tmp_path / "pids"
        eventually(lambda: file.exists() and len(file.read_text().split()) == 4)
        pids = [int(text) for text in file.read_text().split()]
        assert all(is_alive(pid) for pid in pids)
        supervisor.kill()
    eventually(lambda: not any(is_alive(pid) for pid in pids))
