"""Programs that outlive their connection: started once, attached to, stopped, lost."""

import hashlib
import os
import signal
import stat
from pathlib import Path

from deployments.host_program import start_command
from deployments.host_values import Call, HostStep, Mark, Release
from deployments.program_texts import finish_program, once_program
from tests.conftest import Wait
from tests.deployments.host_program.hosts import NONCE, Host, Tree, prepare
from tests.deployments.host_program.looking import naps, processes_with, runner_of
from tests.processes import nap


def test_it_runs_streams_and_forgets(any_host: Host, shop: Tree, first: Release) -> None:
    program = prepare(any_host, first, shop, "echo one", "printf two")
    channel = any_host.run_program(program, archive=shop)
    assert [(mark.word, mark.args) for mark in channel.marks()] == [
        ("need", "archive gz 0 -"),
        ("have", "archive"),
        ("started", ""),
        ("step", "begin 1 step 1"),
        ("step", "end 1 0"),
        ("step", "begin 2 step 2"),
        ("step", "end 2 0"),
        ("end", "ok"),
    ]
    assert b"one\n" in channel.data
    assert b"\ntwo\x1e" in channel.data
    again = any_host.start(program, archive=shop)
    assert again.to_end() == [Mark("done", "ok")]


def test_where_there_is_perl_it_does_the_work_of_many_processes(host: Host, shop: Tree, first: Release) -> None:
    calls = host.root.parent / "calls"
    for tool in ("flock", "head", "ls", "tail"):
        stand_in = Path(host.path.split(":")[0]) / tool
        stand_in.write_text(f'#!/bin/sh\necho {tool} >>"{calls}"\nexec /usr/bin/{tool} "$@"\n')
        stand_in.chmod(0o755)
    host.run_program(prepare(host, first, shop, "true"), archive=shop)
    host.switch(first, fence=2)
    finish = finish_program(host.place, first, [HostStep("restart", "true")], [], 5, [], {})
    host.run_program(finish, name="d1-finish-1", fence=3)
    assert not calls.exists()
    assert (host.state / "releases" / first.name / "good").exists()


def test_a_second_start_attaches(any_host: Host, shop: Tree, first: Release) -> None:
    program = prepare(any_host, first, shop, f"echo ran >> ../../../count; {any_host.gate}; echo over")
    one = any_host.start(program, archive=shop)
    two = any_host.start(program, fence=2)
    assert two.marks()[0] == Mark("attached", NONCE)
    any_host.open_gate()
    for channel in (one, two):
        assert channel.wait_for("end").args == "ok"
        assert b"over\n" in channel.data
    assert (any_host.root.parent / "count").read_text() == "ran\n"


def test_a_killed_loader_loses_no_byte(any_host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    noise = 'i=0; while [ $i -lt 3000 ]; do echo "line $i $(( i * 7919 ))"; i=$((i + 1)); done'
    program = prepare(any_host, first, shop, f"{noise}; {any_host.gate}; {noise}")
    one = any_host.start(program, archive=shop)
    one.wait_text(b"line 2999 ")
    one.kill()
    eventually(lambda: not _tails(any_host))
    got = one.data[one.data.index(b"started\n") + 8 :]
    any_host.open_gate()
    two = any_host.start(program, offset=len(got), fence=2)
    assert two.wait_for("end").args == "ok"
    rest = two.data[two.data.index(b"\n") + 1 :]
    numbers = [int(line.split()[1]) for line in (got + rest).split(b"\n") if line.startswith(b"line ")]
    assert numbers == [*range(3000), *range(3000)]
    assert got + rest == (any_host.state / "programs/d1-prepare-1/spool").read_bytes()


def test_binary_output_is_whole(any_host: Host, shop: Tree, first: Release) -> None:
    data = os.urandom(300_000).replace(b"\x1e", b"")
    any_host.root.parent.joinpath("noise").write_bytes(data)
    channel = any_host.start(prepare(any_host, first, shop, "cat ../../../noise"), archive=shop)
    channel.wait_for("end")
    begin = channel.data.index(b"begin 1 step 1\n") + len(b"begin 1 step 1\n")
    got = channel.data[begin : channel.data.index(f"\x1e{NONCE} step end 1 0\n".encode())]
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(data).hexdigest()


def test_the_end_of_input_ends_the_loader_not_the_runner(
    any_host: Host, shop: Tree, first: Release, eventually: Wait
) -> None:
    program = prepare(any_host, first, shop, any_host.gate)
    channel = any_host.start(program, archive=shop)
    channel.wait_for("step")
    channel.close()
    assert channel.process.returncode == 0
    eventually(lambda: not _tails(any_host))
    runner_of(any_host, "d1-prepare-1")
    any_host.open_gate()
    assert any_host.start(program, fence=2).wait_for("end").args == "ok"


def _tails(host: Host) -> list[str]:
    """What follows a spool, or looks after a runner: all but the runner itself."""
    return [line for line in processes_with("d1-prepare-1") if "tail" in line or "await_runner" in line]


def test_nothing_lingers_after_the_end(any_host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    any_host.run_program(prepare(any_host, first, shop, "echo x"), archive=shop)
    eventually(lambda: not processes_with(any_host.path))


def test_a_fast_step_takes_no_second(host: Host, shop: Tree, first: Release) -> None:
    channel = host.start(prepare(host, first, shop, *["true"] * 30), archive=shop)
    assert channel.wait_for("end", seconds=25).args == "ok"


def test_a_failing_step_ends_the_program(any_host: Host, shop: Tree, first: Release) -> None:
    channel = any_host.start(prepare(any_host, first, shop, "echo bad; exit 7", "touch ../../../ran"), archive=shop)
    assert channel.wait_for("end").args == "failed step"
    assert Mark("step", "end 1 7") in channel.marks()
    assert Mark("fail", 'step step "step 1" ended with exit code 7') in channel.marks()
    assert not (any_host.root.parent / "ran").exists()


def test_stop_ends_the_whole_tree_of_a_step(any_host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    several = f"{nap(71)} & ({nap(72)} &); sh -c '{nap(73)}; true'; touch ../../../ran"
    channel = any_host.start(prepare(any_host, first, shop, several, "touch ../../../ran"), archive=shop)
    eventually(lambda: all(naps(n) for n in (71, 72, 73)))
    channel.send("stop\n")
    assert channel.wait_for("end").args == "stopped"
    assert not any(naps(n) for n in (71, 72, 73))
    assert not (any_host.root.parent / "ran").exists()


def test_what_does_not_heed_term_is_killed(host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    channel = host.start(prepare(host, first, shop, f"trap '' TERM; {nap(78)}; {nap(78)}"), archive=shop)
    eventually(lambda: naps(78))
    channel.send("stop\n")
    assert channel.wait_for("end").args == "stopped"
    assert not naps(78)


def test_the_time_limit_holds_on_the_host(any_host: Host, shop: Tree, first: Release) -> None:
    program = prepare(any_host, first, shop, "while :; do echo x; sleep 0.2; done", limit=2)
    channel = any_host.start(program, archive=shop)
    assert channel.wait_for("end").args == "failed timeout"
    assert Mark("fail", 'timeout step "step 1" ran longer than its limit of 2 seconds and was ended') in channel.marks()


def test_the_silence_limit_holds_on_the_host(host: Host, shop: Tree, first: Release) -> None:
    channel = host.start(prepare(host, first, shop, f"echo x; {nap(74)}", silence=2), archive=shop)
    assert channel.wait_for("end").args == "failed silence"
    assert (
        Mark("fail", 'silence step "step 1" printed nothing for 2 seconds, its limit, and was ended') in channel.marks()
    )
    assert not naps(74)


def test_a_noisy_step_outlives_its_silence_limit(host: Host, shop: Tree, first: Release) -> None:
    command = "for i in 1 2 3 4 5 6; do echo $i; sleep 1; done"
    channel = host.start(prepare(host, first, shop, command, silence=4), archive=shop)
    assert channel.wait_for("end").args == "ok"


def test_a_killed_runner_is_lost_and_its_step_ended(
    any_host: Host, shop: Tree, first: Release, eventually: Wait
) -> None:
    program = prepare(any_host, first, shop, f"echo before; {nap(75)}")
    channel = any_host.start(program, archive=shop)
    channel.wait_text(b"before\n")
    os.kill(runner_of(any_host, "d1-prepare-1"), signal.SIGKILL)
    channel.wait_for("lost")
    assert not naps(75)
    again = any_host.start(program)
    marks = again.to_end()
    assert marks[0] == Mark("attached", NONCE)
    assert marks[-1] == Mark("lost")
    assert b"before\n" in again.data


def test_the_next_program_ends_the_step_of_a_killed_runner(
    any_host: Host, shop: Tree, first: Release, eventually: Wait
) -> None:
    """Nobody attached to the lost one: its step still holds the lock, and must not hold it for ever."""
    channel = any_host.start(prepare(any_host, first, shop, f"echo before; {nap(76)}"), archive=shop)
    channel.wait_text(b"before\n")
    channel.kill()
    eventually(lambda: not _tails(any_host))
    os.kill(runner_of(any_host, "d1-prepare-1"), signal.SIGKILL)
    eventually(lambda: naps(76))
    program = prepare(any_host, first, shop, "echo after")
    channel = any_host.start(program, name="d1-prepare-2", fence=2, archive=shop)
    assert channel.wait_for("end").args == "ok"
    assert not naps(76)


def test_a_result_without_an_end_mark_is_told(host: Host, shop: Tree, first: Release) -> None:
    """A full disk can swallow the spool's last line."""
    program = prepare(host, first, shop, "echo x")
    host.start(program, archive=shop).wait_for("end")
    spool = host.state / "programs/d1-prepare-1/spool"
    spool.write_bytes(spool.read_bytes().replace(f"\x1e{NONCE} end ok\n".encode(), b""))
    assert host.start(program).wait_for("end").args == "ok"


def test_the_program_is_gone_once_it_runs_and_the_spool_is_private(host: Host, shop: Tree, first: Release) -> None:
    channel = host.start(prepare(host, first, shop, host.gate), archive=shop)
    channel.wait_for("step")
    folder = host.state / "programs/d1-prepare-1"
    assert (folder / "program").read_text() == ""
    assert stat.S_IMODE((folder / "spool").stat().st_mode) == 0o600
    assert stat.S_IMODE(host.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(host.root.stat().st_mode) == 0o755
    host.open_gate()
    assert channel.wait_for("end").args == "ok"


def test_a_service_does_not_keep_the_lock(any_host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    start = f"{nap(77)} >/dev/null 2>&1 & echo started it"
    any_host.run_program(prepare(any_host, first, shop, start), archive=shop)
    eventually(lambda: len(naps(77)) == 1)
    channel = any_host.start(once_program(any_host.place, first, [HostStep("next", "echo x")], {}), name="d1-once-1")
    assert channel.wait_for("end").args == "ok"
    assert not any(mark.word == "say" for mark in channel.marks()), "it had to wait for the lock"


def test_a_program_cut_off_is_not_started(any_host: Host, shop: Tree, first: Release, eventually: Wait) -> None:
    channel = any_host.run(start_command(Call(any_host.place, "d1-prepare-1", 1, NONCE)))
    channel.send(prepare(any_host, first, shop, "echo x")[:5000])
    assert channel.close() == []
    assert not list((any_host.state / "programs").iterdir())


def test_the_lock_is_awaited(any_host: Host, shop: Tree, first: Release) -> None:
    one = any_host.start(prepare(any_host, first, shop, any_host.gate), archive=shop)
    one.wait_for("step")
    two = any_host.start(prepare(any_host, first, shop, "echo x"), name="d1-prepare-2", archive=shop)
    two.wait_for("say")
    assert not any(mark.word == "step" for mark in two.marks())
    any_host.open_gate()
    assert two.wait_for("end").args == "ok"
    assert one.wait_for("end").args == "ok"
