import os
import subprocess
from pathlib import Path

from tests.environments.presets.conftest import Bench

# Ends a moment after it was told to, as one that has work in its hands.
GENTLE = "#!/bin/sh\ntrap 'sleep 0.3; echo finished; exit 0' TERM\nwhile :; do sleep 0.1; done\n"
STUBBORN = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n"


def spawn(bench: Bench, name: str, text: str, count: int = 1) -> list[int]:
    bench.write(f"run-{name}", text).chmod(0o755)
    bench.run("spawn-workers", name=name, command=f"./run-{name}", count=count, settle=1)
    return [int((bench.shared / f"pids/{name}-{n}.pid").read_text()) for n in range(1, count + 1)]


def lives(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def test_workers_finish_what_they_do(any_bench: Bench) -> None:
    pids = spawn(any_bench, "mailer", GENTLE, 2)
    others = spawn(any_bench, "mailer-old", GENTLE)
    said = any_bench.run("drain-workers", name="mailer", seconds=30)
    assert said.endswith("2 drained\n")
    assert not any(map(lives, pids))
    assert all(map(lives, others)), "another name that only begins the same"
    assert (any_bench.shared / "log/mailer-1.log").read_text() == "finished\n"
    assert not list((any_bench.shared / "pids").glob("mailer-[0-9]*"))


def test_nothing_to_drain_is_well(bench: Bench) -> None:
    assert bench.run("drain-workers", name="mailer") == "0 drained\n"


def test_one_that_takes_too_long_is_killed_only_if_that_was_said(bench: Bench) -> None:
    (pid,) = spawn(bench, "mailer", STUBBORN)
    said = bench.fail("drain-workers", name="mailer", seconds=1)
    assert "Still at work after 1 seconds: mailer-1" in said
    assert lives(pid)
    assert "Killed: mailer-1" in bench.run("drain-workers", name="mailer", seconds=1, kill=True)
    assert not lives(pid)


def test_a_process_that_got_the_id_of_a_worker_gets_no_signal(bench: Bench) -> None:
    (bench.shared / "pids").mkdir()
    with subprocess.Popen(["sleep", "60"]) as other:
        (bench.shared / "pids/mailer-1.pid").write_text(f"{other.pid}\n")
        assert bench.run("drain-workers", name="mailer") == "0 drained\n"
        os.kill(other.pid, 0)
        assert other.poll() is None
        other.kill()
