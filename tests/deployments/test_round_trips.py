"""A slow link is paid for once per question: how often a deploy waits for a host is counted."""

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from environments import ssh
from environments.keys import ensure_key_pair
from environments.models import Host, HostKey
from environments.ssh import channel, pool
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, eventually, step
from tests.deployments.openssh import OpenSSH, running
from tests.processes import Processes


class Counted(channel.Channel):
    """Notes each time that something is sent after an answer: what the answer had to be waited for."""

    questions: list[list[bytes]]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.questions.append([])
        self._heard = False

    def send(self, data: bytes) -> None:
        if self._heard or not self.questions[-1]:
            self.questions[-1].append(data[:10])
        self._heard = False
        super().send(data)

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        data: bytes | None = super().receive(seconds, most)
        self._heard = self._heard or bool(data)
        return data


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """For each program: whether it waited for a channel, and for leave to start."""
    monkeypatch.setattr(Counted, "questions", [], raising=False)
    monkeypatch.setattr(pool, "Channel", Counted)
    monkeypatch.setattr(pool, "SPARE_SECONDS", 60.0)
    monkeypatch.setattr(pool, "FRESH_SECONDS", 300.0)
    waits: list[str] = []
    run, await_start = pool._Warm.run, channel.await_start

    def counted_run(warm: pool._Warm, command: str) -> paramiko.Channel:
        waits.append("open" if warm.spare is None else "")
        return run(warm, command)

    def counted_start(opened: paramiko.Channel) -> None:
        waits.append("start")
        await_start(opened)

    monkeypatch.setattr(pool._Warm, "run", counted_run)
    monkeypatch.setattr(pool, "await_start", counted_start)
    yield waits
    ssh.close_idle(-1)


@pytest.fixture
def openssh(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    with running(processes, tmp_path) as server:
        yield server


def test_a_deploy_waits_for_a_connection_an_archive_and_three_programs_and_no_more(
    openssh: OpenSSH, make_fleet_target: MakeFleetTarget, driver: Driver, opened: list[str]
) -> None:
    place = make_fleet_target(
        hosts=1,
        user=getpass.getuser(),
        root="~/apps/shop",
        steps=[step("build", "true"), step("restart", "true", "restart")],
    )
    (openssh.folder / "authorized_keys").write_text(f"{ensure_key_pair().public}\n")
    Host.objects.update(port=openssh.port)
    HostKey.objects.update(algorithm=openssh.host_key[0], key=openssh.host_key[1])
    assert driver.run_to_end(request(place)).status == "succeeded"

    eventually(lambda: openssh.signed_in >= 1, what="sshd's log")
    assert (openssh.signed_in, openssh.programs) == (1, 3)
    prepare, switch, finish = Counted.questions
    # the program with the first question; then the archive, which the host asks for; and that all is stored
    assert (len(prepare), prepare[-1]) == (3, b"stored\n")
    assert switch == [b"flip\n"]
    assert (len(finish), finish[-1]) == (2, b"stored\n")
    # only the first program waits for its channel: the next one's is opened meanwhile
    assert opened == ["open", "", ""]
