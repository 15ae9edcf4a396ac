"""Programs go by SSH, unless the setting names another way."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_django import Settings

from environments import ssh
from environments.models import Host
from environments.ssh import pool, transport

HOST = Host(name="web-1", address="192.0.2.1")


class Echo:
    def __init__(self, command: str) -> None:
        self._command = command

    def send(self, data: bytes) -> None:
        self._command += data.decode()

    def receive(self, seconds: float, most: int = 1 << 16) -> bytes | None:
        return self._command.encode()


@contextmanager
def echo(host: Host, user: str, command: str) -> Iterator[Echo]:
    yield Echo(f"{host.name} {user} {command} ")


def test_it_is_ssh_by_itself(settings: Settings) -> None:
    assert transport._transport(settings.HOST_TRANSPORT) is pool.program


def test_a_setting_names_another_way(settings: Settings) -> None:
    settings.HOST_TRANSPORT = f"{__name__}.echo"
    with ssh.program(HOST, "deploy", "uptime") as channel:
        channel.send(b"now")
        assert channel.receive(1) == b"web-1 deploy uptime now"
