"""Signing in costs computing on both sides: so many at once and no more, however many hosts wait."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import fabric
import paramiko
import pytest

from environments.keys import ensure_key_pair
from environments.models import Host, HostKey
from environments.ssh import HostUnreachable, connection
from environments.ssh.connection import own_key
from tests.builders import make_host

MOST, HOSTS = 3, 12


class Counter:
    """Stands in for signing in: each waits until as many as may are there, and a moment for one too many."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self.inside = self.most = self.all = 0

    def open(self, *_: object) -> None:
        with self._change:
            self.inside += 1
            self.all += 1
            self.most = max(self.most, self.inside)
            self._change.notify_all()
            self._change.wait_for(lambda: self.most > MOST, 0.3)
            self.inside -= 1
        raise EOFError


@pytest.fixture
def host(db: None) -> Host:
    ensure_key_pair()
    made = make_host()
    public = paramiko.ECDSAKey.generate()
    HostKey.objects.create(host=made, algorithm=public.get_name(), key=public.get_base64(), accepted_by="ada")
    own_key.get(made.name)  # parsed here: the threads below have no connection to this test's database
    return Host.objects.prefetch_related("keys").get(pk=made.pk)


def test_so_many_at_once_and_no_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter()
    monkeypatch.setattr(connection, "_handshakes", threading.BoundedSemaphore(MOST))
    monkeypatch.setattr(connection, "PAIR_SECONDS", 3600.0)
    monkeypatch.setattr(fabric.Connection, "open", counter.open)
    way, other = socket.socketpair()

    def sign_in(_: int) -> None:
        with pytest.raises(HostUnreachable):
            connection.sign_in(host, "deploy", lambda _: way)

    with ThreadPoolExecutor(HOSTS) as crowd:
        list(crowd.map(sign_in, range(HOSTS)))
    other.close()
    assert (counter.all, counter.most) == (HOSTS, MOST)
