"""The broker is a doorbell: when it is broken, ringing fails at once and says so."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from deployer_site.celery import RING_ONCE, Deployer
from deployer_site.valkey import find_binary, write_configuration
from tests.conftest import Wait
from tests.ports import free_port
from tests.processes import Processes

LONGEST_SECONDS = 4.0  # on a busy machine; without limits of its own a ring would wait for the socket's 5


@pytest.fixture
def app(processes: Processes, tmp_path: Path, eventually: Wait) -> Any:
    """Our Celery application on a Valkey of its own, which a test may stop."""
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    server = processes.start([str(find_binary()), str(write_configuration(url, tmp_path))])
    application = Deployer("test", set_as_current=False)
    application.config_from_object("django.conf:settings", namespace="CELERY")
    application.conf.update(broker_url=url, broker_read_url=url, broker_write_url=url)
    application.server = server

    def rings() -> bool:
        try:
            application.send_task("nobody.listens")
        except OperationalError:
            return False
        return True

    eventually(rings)
    yield application
    if server.poll() is None:
        server.send_signal(signal.SIGCONT)
    application.close()


def seconds_until_it_fails(app: Any) -> float:
    began = time.monotonic()
    with pytest.raises(OperationalError):
        app.send_task("nobody.listens")
    return time.monotonic() - began


def test_it_is_waited_for_less_than_a_second() -> None:
    assert RING_ONCE["socket_connect_timeout"] + RING_ONCE["socket_timeout"] < 1.0


def test_a_dead_broker_is_noticed_at_once(app: Any) -> None:
    app.server.kill()
    app.server.wait()
    assert seconds_until_it_fails(app) < LONGEST_SECONDS


def test_a_hung_broker_is_noticed_at_once(app: Any) -> None:
    os.kill(app.server.pid, signal.SIGSTOP)
    for _ in range(3):
        assert seconds_until_it_fails(app) < LONGEST_SECONDS


def test_it_rings_again_once_the_broker_is_back(app: Any, eventually: Wait) -> None:
    os.kill(app.server.pid, signal.SIGSTOP)
    seconds_until_it_fails(app)
    os.kill(app.server.pid, signal.SIGCONT)
    app.send_task("nobody.listens")


def test_tasks_are_json_and_leave_no_result(settings: Any) -> None:
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_IGNORE_RESULT is True


def test_a_terminated_worker_shuts_down_softly() -> None:
    """Without this variable Celery ignores worker_soft_shutdown_timeout on SIGTERM."""
    code = "import deployer_site.celery, os; print(os.environ['REMAP_SIGTERM'])"
    environment = {**os.environ}
    environment.pop("REMAP_SIGTERM", None)
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "SIGQUIT"
