"""The web process when what answers dies: who comes meanwhile is not refused, and a new copy answers at once."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.template import engines
from django.template.base import Template

from deployer_site import web_process
from deployer_site.database_url import SHARED
from deployer_site.web_process import STEADY_SECONDS, Keeper
from tests.builders import make_token, make_user
from tests.deployments.fleet import eventually
from tests.deployments.web import Web
from tests.processes import Processes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere the web process answers by itself."),
]


@pytest.fixture
def web(processes: Processes, valkey: str) -> Iterator[Web]:
    made = Web(processes)
    eventually(made.answers, what="the web process")
    yield made
    if made.process.poll() is None:
        made.kill()


def _get(web: Web, path: str = "/healthz") -> httpx.Response:
    return httpx.get(web.address(path).replace("ws://", "http://"), timeout=60)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_answers_is_replaced_and_nobody_is_refused(web: Web, number: signal.Signals) -> None:
    assert _get(web).status_code == 200
    time.sleep(STEADY_SECONDS)
    first = web.answering
    os.kill(first, number)
    while _lives(first):
        assert web.answers(), "who comes now waits in the queue"
    assert _get(web).status_code == 200
    assert web.answering not in (first, web.process.pid)
    assert web.process.poll() is None


def test_a_stop_ends_both(web: Web) -> None:
    assert _get(web).status_code == 200
    answering = web.answering
    web.process.terminate()
    assert web.process.wait(60) == 0
    assert not _lives(answering)


def test_the_copy_does_not_outlive_what_keeps_it(web: Web) -> None:
    assert _get(web).status_code == 200
    answering = web.answering
    assert answering != web.process.pid
    web.process.kill()
    web.process.wait()
    eventually(lambda: not _lives(answering), what="the end of the copy")


def test_hundreds_may_come_at_once(web: Web) -> None:
    """More than Twisted's own queue of 50 takes, while what answers is stopped and takes none of them."""
    assert _get(web).status_code == 200
    os.kill(web.answering, signal.SIGSTOP)
    clients = [socket.create_connection(("127.0.0.1", web.port), 60) for _ in range(300)]
    for client in clients:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    os.kill(web.answering, signal.SIGCONT)
    for client in clients:
        client.settimeout(60)
        assert client.recv(12) == b"HTTP/1.1 200"
        client.close()


@pytest.mark.both_databases
def test_many_requests_share_a_few_connections_to_the_database(web: Web) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that runs out of connections.")
    token = make_token(user=make_user(role="viewer"))
    most, answers = 0, []

    def ask(_: int) -> int:
        address = web.address("/api/v1/targets").replace("ws://", "http://")
        return httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code

    with ThreadPoolExecutor(100) as crowd:
        asked = [crowd.submit(ask, n) for n in range(100)]
        while not all(one.done() for one in asked):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
                most = max(most, cursor.fetchone()[0] - 1)
        answers = [one.result() for one in asked]
    assert set(answers) == {200}
    assert 1 < most <= SHARED["max_size"]


def test_a_copy_that_cannot_live_is_not_made_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor waits longer each time; this process would not."""
    lives: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def die(*_: object) -> None:
        os._exit(3)

    def live(keeper: Keeper) -> int:
        lives.append(0)
        return real(keeper)

    real = Keeper._live
    monkeypatch.setattr(web_process, "answer", die)
    monkeypatch.setattr(Keeper, "_live", live)
    with socket.socket() as listener:
        assert Keeper(listener).keep() == 3
    for number, handler in before.items():
        signal.signal(number, handler)
    assert len(lives) == 1


def test_every_template_is_there_before_anybody_comes() -> None:
    web_process.load_pages()
    folder = settings.BASE_DIR / "templates"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    (loader,) = engines["django"].engine.template_loaders  # type: ignore[attr-defined]
    assert len(names) > 100
    # it also remembers names under which there is none
    assert names <= {one.name for one in loader.get_template_cache.values() if isinstance(one, Template)}
