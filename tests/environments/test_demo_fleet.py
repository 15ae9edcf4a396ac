"""The demo fleet, for real: a process with 18 SSH servers, and a client that logs in."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from environments.demo.fleet_file import read_fleet
from environments.demo.guard import marked_processes
from environments.demo.layout import DemoFolder
from tests.environments.demo_fleet import FIRST, RunningFleet, a_fleet
from tests.patience import PATIENCE, eventually

KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    with a_fleet(tmp_path_factory.mktemp("var") / "demo", KEY) as running:
        yield running


async def test_all_hosts_let_the_key_in_at_once(fleet: RunningFleet) -> None:
    known = read_fleet(fleet.demo)
    assert known is not None
    answers = await asyncio.gather(*(fleet.run("echo $DEMO_HOST", name=name) for name in known.hosts))
    assert [answer.stdout.decode().strip() for answer in answers] == list(known.hosts)
    assert len(answers) == 18


async def test_a_command_runs_in_its_host_s_home_with_a_clean_environment(fleet: RunningFleet) -> None:
    done = await fleet.run("pwd; command -v python3; echo ${VIRTUAL_ENV-unset}; echo $HOME; exit 3")
    home = fleet.host().folder
    python = str(fleet.demo.programs / "python3")
    assert done.stdout.decode().splitlines() == [home, python, "unset", home]
    assert done.status == 3


async def test_input_reaches_the_command_and_its_end_too(fleet: RunningFleet) -> None:
    done = await fleet.run("cat; echo after", stdin=b"line\n")
    assert done.stdout == b"line\nafter\n"


async def test_both_outputs_come_as_bytes(fleet: RunningFleet) -> None:
    done = await fleet.run(r"printf '\377\000out'; printf '\376err' >&2")
    assert (done.stdout, done.stderr) == (b"\xff\x00out", b"\xfeerr")


async def test_much_output_and_much_input_at_once_is_whole(fleet: RunningFleet) -> None:
    data = os.urandom(1 << 20) * 6
    done = await fleet.run("cat", stdin=data)
    assert done.stdout == data


async def test_a_hundred_thousand_lines_arrive_in_order(fleet: RunningFleet) -> None:
    done = await fleet.run("i=0; while [ $i -lt 100000 ]; do echo $i; i=$((i+1)); done")
    assert done.stdout.split() == [b"%d" % number for number in range(100_000)]


async def test_a_reader_that_pauses_holds_the_command_back(fleet: RunningFleet) -> None:
    async with fleet.connect() as connection:
        process = await connection.create_process("head -c 60000000 /dev/zero; echo >finished", encoding=None)
        await process.stdout.readexactly(1)
        for _ in range(100):  # time enough for a fleet that would take in all of it at once
            await connection.run("true")
        finished = Path(fleet.host().folder, "finished")
        assert not finished.exists()
        rest = await process.stdout.read()
        await process.wait()
        assert len(rest) == 59_999_999
        assert finished.exists()


async def test_a_command_that_ignores_its_input_does_not_block_the_sender(fleet: RunningFleet) -> None:
    sent = Path(fleet.host().folder) / "sent"
    async with fleet.connect() as connection:
        # It ends when all was sent: before, there would be nobody left to send to.
        process = await connection.create_process(
            "exec <&-; until test -e sent; do sleep 0.1; done; echo done", encoding=None
        )
        process.stdin.write(b"x" * 5_000_000)
        sent.touch()
        done = await asyncio.wait_for(process.wait(), PATIENCE)
    assert (done.stdout, done.exit_status) == (b"done\n", 0)


async def test_the_signal_that_ended_a_command_is_told(fleet: RunningFleet) -> None:
    done = await fleet.run("kill -9 $$")
    assert (done.status, done.signal) == (-1, "KILL")


async def test_a_signal_from_the_client_reaches_the_command(fleet: RunningFleet) -> None:
    async with fleet.connect() as connection:
        process = await connection.create_process(
            "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
        )
        assert await process.stdout.readline() == "ready\n"
        process.send_signal("TERM")
        done = await asyncio.wait_for(process.wait(), PATIENCE)
    assert (done.stdout, done.exit_status) == ("caught\n", 5)


async def test_a_dead_connection_ends_the_input_and_leaves_the_process_alone(fleet: RunningFleet) -> None:
    home = Path(fleet.host().folder)
    async with fleet.connect() as connection:
        process = await connection.create_process("echo $$ >orphan.pid; cat; sleep 0.2; echo >ended-by-itself")
        process.stdin.write("x")
        assert await process.stdout.read(1) == "x"
        connection.abort()
    eventually((home / "ended-by-itself").exists, what="the command sees the end of its input and goes on")
    eventually(lambda: not _alive(int((home / "orphan.pid").read_text())), what="the process is reaped")


async def test_what_detaches_itself_lives_on(fleet: RunningFleet) -> None:
    done = await asyncio.wait_for(fleet.run("sleep 600 </dev/null >/dev/null 2>&1 & echo $!"), PATIENCE)
    pid = int(done.stdout)
    assert _alive(pid)
    os.kill(pid, signal.SIGKILL)


async def test_another_key_is_refused(fleet: RunningFleet) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        async with fleet.connect(key=asyncssh.generate_private_key("ssh-ed25519")):
            pass


async def test_the_keys_are_read_at_each_login(fleet: RunningFleet) -> None:
    fleet.demo.authorized_keys.rename(fleet.demo.path / "aside")
    try:
        with pytest.raises(asyncssh.PermissionDenied):
            async with fleet.connect():
                pass
    finally:
        (fleet.demo.path / "aside").rename(fleet.demo.authorized_keys)
    assert (await fleet.run("true")).status == 0


async def test_a_password_is_refused(fleet: RunningFleet) -> None:
    host = fleet.host()
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            host.address, host.port, username="deploy", password="deploy", client_keys=None, agent_path=None,
            known_hosts=None, config=None,
        )  # fmt: skip


async def test_shells_terminals_and_forwarding_are_refused(fleet: RunningFleet) -> None:
    async with fleet.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", fleet.host().port)


async def test_a_command_answers_without_delay_on_a_warm_connection(fleet: RunningFleet) -> None:
    """Nagle's algorithm would cost each of them 40 ms; a busy machine lets at least one of many pass quickly."""
    took = []
    async with fleet.connect() as connection:
        for _ in range(100):
            began = asyncio.get_running_loop().time()
            assert (await connection.run("true")).exit_status == 0
            took.append(asyncio.get_running_loop().time() - began)
    assert min(took) < 0.04


def test_hosts_listen_on_loopback_only_and_keep_their_key_private(fleet: RunningFleet) -> None:
    # Another address of this machine, where a server on all addresses would answer.
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.2", fleet.host().port), timeout=2)
    key = fleet.demo.host(FIRST) / "ssh_host_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_second_fleet_in_the_same_folder_is_refused(fleet: RunningFleet) -> None:
    code = "from environments.demo import lifeline, __main__ as fleet; lifeline.LOCK_PATIENCE = 0.2; exit(fleet.main())"
    command = [sys.executable, "-c", code, str(fleet.demo.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.strip() == f"Another demo fleet runs in {fleet.demo.path}. End it, or start with another VAR."


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_fleet(tmp_path: Path, how: signal.Signals) -> None:
    with a_fleet(tmp_path / "demo", KEY) as running:
        detached = running.text(
            "(setsid sleep 600 || perl -e 'setpgrp; exec @ARGV' sleep 600) </dev/null >/dev/null 2>&1 & echo $!"
        )
        assert list(marked_processes(running.demo.marker))
        running.process.send_signal(how)
        running.process.wait(PATIENCE)
        eventually(lambda: not list(marked_processes(running.demo.marker)), what="every process of a host has ended")
        eventually(lambda: not _alive(int(detached)), what="also what detached itself")


def test_the_fleet_ends_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; command = [sys.executable, '-m', 'environments.demo', sys.argv[1]]\n"
        "print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "demo")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    demo = DemoFolder(tmp_path / "demo")
    eventually(lambda: (found := read_fleet(demo)) and found.pid == pid, what="the fleet listens")
    parent.kill()
    parent.communicate()
    try:
        eventually(lambda: not _alive(pid), what="the fleet has noticed")
    except AssertionError:
        os.kill(pid, signal.SIGTERM)
        raise


def test_a_fleet_whose_guard_is_killed_ends_itself(tmp_path: Path) -> None:
    with a_fleet(tmp_path / "demo", KEY) as running:
        listing = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
        guards = [line for line in listing.splitlines() if "guard.py" in line and running.demo.marker in line]
        assert len(guards) == 1
        os.kill(int(guards[0].split()[0]), signal.SIGKILL)
        assert running.process.wait(PATIENCE) == 0
        assert "its guard is gone" in running.said


def test_a_restart_keeps_ports_and_keys_and_takes_another_port_when_one_is_taken(tmp_path: Path) -> None:
    with a_fleet(tmp_path / "demo", KEY) as first:
        before = {name: first.host(name) for name in (FIRST, "us-east-b-02")}
    with socket.create_server(("127.0.0.1", before[FIRST].port)), a_fleet(tmp_path / "demo", KEY) as second:
        assert second.host("us-east-b-02") == before["us-east-b-02"]
        assert second.host().port != before[FIRST].port
        assert second.host().host_key == before[FIRST].host_key
        assert second.text("echo here") == "here"


def test_the_command_of_manage_py_runs_the_fleet(tmp_path: Path) -> None:
    with a_fleet(tmp_path / "demo", KEY, (sys.executable, "manage.py", "demo_fleet")) as running:
        assert running.text("echo $DEMO_HOST") == FIRST
        running.stop()
        assert running.process.returncode == 0
        assert "18 hosts in 9 zones listen on 127.0.0.1." in running.said


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
