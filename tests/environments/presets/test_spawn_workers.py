import os
from pathlib import Path

import pytest

from environments.presets import PRESETS, WrongParameters
from tests.environments.presets.conftest import Bench

WORKER = '#!/bin/sh\necho "$1 in $PWD for $DEPLOYER_RELEASE"\nexec sleep 300\n'


def pid_of(bench: Bench, worker: str) -> int:
    return int((bench.shared / f"pids/{worker}.pid").read_text())


def spawn(bench: Bench, **parameters: object) -> str:
    bench.write("work", WORKER).chmod(0o755)
    return bench.run("spawn-workers", name="mailer", command="./work 'a b'", **{"settle": 1, **parameters})


def test_workers_outlive_the_step_each_by_its_own_process(any_bench: Bench) -> None:
    said = spawn(any_bench, count=2)
    pids = [pid_of(any_bench, f"mailer-{n}") for n in (1, 2)]
    assert said == "".join(f"mailer-{n} runs as process {pid}\n" for n, pid in enumerate(pids, 1))
    for pid in pids:
        assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0")
        assert os.getsid(pid) == pid
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    log = (any_bench.shared / "log/mailer-2.log").read_text()
    assert log == f"a b in {any_bench.release} for {any_bench.release.name}\n"


def test_those_of_this_release_are_left_as_they_are(bench: Bench) -> None:
    spawn(bench, count=1)
    first = pid_of(bench, "mailer-1")
    spawn(bench, count=2)
    assert pid_of(bench, "mailer-1") == first
    assert pid_of(bench, "mailer-2") != first


def test_those_of_another_release_must_be_drained_first(bench: Bench) -> None:
    spawn(bench)
    bench.environment["DEPLOYER_RELEASE"] = "20260101000001-bbbbbbb"
    said = bench.fail("spawn-workers", name="mailer", command="./work", settle=1)
    assert "still runs from release 20260101000000-aaaaaaa; drain it before" in said


def test_a_process_that_got_the_id_of_a_worker_is_none(bench: Bench) -> None:
    (bench.shared / "pids").mkdir()
    (bench.shared / "pids/mailer-1.pid").write_text(f"{os.getpid()}\n")
    (bench.shared / "pids/mailer-1.release").write_text("20250101000000-ccccccc\n")
    spawn(bench)
    assert pid_of(bench, "mailer-1") != os.getpid()


def test_one_that_dies_at_once_is_told(bench: Bench) -> None:
    said = bench.fail("spawn-workers", name="mailer", command="sh -c 'echo no database; exit 1'", settle=1)
    assert "These ended within 1 seconds: mailer-1" in said
    assert (bench.shared / "log/mailer-1.log").read_text() == "no database\n"


@pytest.mark.parametrize("command", ["work & ", "a; b", "a | b", "a && b", "a >log", "A=1 work", "", "a\nb", "a 'b"])
def test_only_one_program_can_be_a_worker(command: str) -> None:
    with pytest.raises(WrongParameters):
        PRESETS["spawn-workers"].make({"name": "mailer", "command": command})
