import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.environments.presets.conftest import Bench

# Writes its id, and what signal it got; after USR2 it hands over to a successor.
SERVER = """
import os, signal, subprocess, sys, time
pid_file, log = sys.argv[1:3]
def note(number, frame):
    with open(log, "a") as handle:
        handle.write(signal.Signals(number).name + "\\n")
    if number == signal.SIGTERM:
        time.sleep(0.3)
        os._exit(0)
    if number == signal.SIGUSR2:
        subprocess.Popen([sys.executable, *sys.orig_argv[1:]])
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, note)
with open(pid_file + ".new", "w") as handle:
    handle.write(f"{os.getpid()}\\n")
os.rename(pid_file + ".new", pid_file)
while True:
    time.sleep(60)
"""


@contextmanager
def server(bench: Bench, pid_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", SERVER, pid_file, bench.folder / "signals"]) as process:
        try:
            deadline = time.monotonic() + 30
            while not pid_file.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_a_signal_is_sent(bench: Bench) -> None:
    with server(bench, bench.shared / "pids/web.pid") as process:
        said = bench.run("restart-pid-file", pid_file="pids/web.pid", process="signals")
        assert said == f"Process {process.pid} got HUP\n"
        deadline = time.monotonic() + 30
        signals = bench.folder / "signals"
        while not signals.exists() or signals.read_text() != "SIGHUP\n":  # it is there before it is written
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_the_end_of_a_process_is_waited_for(bench: Bench) -> None:
    pid_file = bench.folder / "web.pid"
    with server(bench, pid_file) as process:
        asked = {"pid_file": str(pid_file), "until": "gone"}
        assert "was not gone within 1 seconds" in bench.fail("restart-pid-file", signal="HUP", seconds=1, **asked)
        # a process that nobody waits for stays as a zombie
        threading.Thread(target=process.wait, daemon=True).start()
        bench.run("restart-pid-file", signal="TERM", seconds=30, **asked)


def test_a_successor_is_waited_for(bench: Bench) -> None:
    pid_file = bench.folder / "web.pid"
    with server(bench, pid_file) as process:
        bench.run("restart-pid-file", pid_file=str(pid_file), signal="USR2", until="replaced", seconds=30)
        assert int(pid_file.read_text()) != process.pid


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "There is no process id in"),
        ("", "There is no process id in"),
        ("12 34", "does not hold a process id"),
        ("-1", "does not hold a process id"),
        ("1", "No process has the id 1"),
        ("999999999", "No process has the id 999999999"),
    ],
)
def test_a_file_that_names_no_process_is_told(bench: Bench, text: str | None, says: str) -> None:
    path = bench.folder / "web.pid"
    if text is not None:
        path.write_text(text)
    assert says in bench.fail("restart-pid-file", pid_file=str(path))


def test_somebody_elses_process_gets_no_signal(bench: Bench) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        (bench.folder / "web.pid").write_text(f"{other.pid}\n")
        said = bench.fail("restart-pid-file", pid_file=str(bench.folder / "web.pid"), process="unicorn", signal="TERM")
        assert "is not unicorn; it got no signal" in said
        assert other.poll() is None
        other.kill()
