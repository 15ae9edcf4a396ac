"""`manage.py up` as its users meet it: the real processes."""

import gzip
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer_site.network import is_free
from tests.conftest import Wait
from tests.deployer_site.copies import ROOT, Copy, environment, processes
from tests.ports import free_port

Start = Callable[..., Copy]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, eventually: Wait, migrated: Path) -> Iterator[Copy]:
    running = Copy(tmp_path_factory.mktemp("up") / "var", eventually=eventually, migrated=migrated)
    try:
        yield running.wait_until_ready()
    finally:
        running.close()


@pytest.fixture
def start(eventually: Wait) -> Iterator[Start]:
    """Starts a copy and waits until it is ready; ends it after the test."""
    copies: list[Copy] = []

    def start_copy(folder: Path, **settings: Any) -> Copy:
        copies.append(Copy(folder, eventually=eventually, **settings))
        return copies[-1].wait_until_ready()

    yield start_copy
    for running in copies:
        running.close()


def try_to_start(folder: Path, port: int, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up", *words],
        env=environment(folder, port, **settings),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd="/",
    )


def states(copy: Copy) -> tuple[int, dict[str, dict[str, object]]]:
    status, _, body = copy.get("/readyz")
    return status, json.loads(body)


def test_it_says_where_to_go_and_how_to_sign_in(copy: Copy) -> None:
    assert f"The Deployer is ready: http://localhost:{copy.port}" in copy.printed
    assert "This link makes the first administrator" in copy.printed
    link = re.search(rf"http://localhost:{copy.port}(/welcome/\S+)", copy.printed)
    assert link
    assert copy.get(link[1])[0] == 200


def test_it_is_alive_and_ready(copy: Copy, eventually: Wait) -> None:
    assert copy.get("/healthz")[0] == 200
    status, parts = states(copy)
    assert status == 200
    eventually(lambda: states(copy)[1]["worker"] == {"ok": True, "text": "2 workers are alive."})
    assert parts["demo"] == {"ok": True, "text": "The demo is off."}


def test_static_files_have_hashed_names_and_are_compressed(copy: Copy) -> None:
    _, _, page = copy.get("/signin")
    names = re.findall(rb'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page)
    assert names
    status, headers, body = copy.get(names[0].decode(), **{"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in headers["cache-control"]
    assert gzip.decompress(body)


def test_no_secret_stands_in_the_list_of_processes(copy: Copy) -> None:
    secrets = [file.read_text().strip() for file in (copy.folder / "secrets").iterdir()]
    secrets += [url.split(":")[2].split("@")[0] for url in secrets if url.startswith("redis://")]
    assert len(secrets) == 4
    commands = "\n".join(copy.children().values())
    assert "celery" in commands
    assert not [secret for secret in secrets if secret in commands or secret in copy.printed]


def test_what_only_we_may_read_is_readable_by_us_only(copy: Copy) -> None:
    private = [*(copy.folder / "secrets").iterdir(), copy.folder / "run" / "valkey.conf"]
    assert {oct(path.stat().st_mode & 0o777) for path in private} == {"0o600"}
    assert (copy.folder / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_second_copy_in_the_same_folder_is_refused(copy: Copy) -> None:
    refused = try_to_start(copy.folder, free_port())
    assert refused.returncode == 1
    assert "Another copy is already running" in refused.stderr
    assert "Nothing was started." in refused.stderr
    assert states(copy)[0] == 200


def test_a_taken_port_is_refused_before_anything_is_done(copy: Copy, tmp_path: Path) -> None:
    refused = try_to_start(tmp_path / "var", copy.port)
    assert refused.returncode == 1
    assert f"Port {copy.port} on 127.0.0.1 is taken" in refused.stderr
    assert f"PORT={copy.port + 1}." in refused.stderr
    assert not (tmp_path / "var" / "deployer.sqlite3").exists()


def test_a_hung_valkey_is_told_within_two_seconds(copy: Copy, eventually: Wait) -> None:
    (valkey,) = [pid for pid, command in copy.children("valkey-server").items() if "gate" not in command]
    os.kill(valkey, signal.SIGSTOP)
    try:
        status, parts = states(copy)
    finally:
        os.kill(valkey, signal.SIGCONT)
    assert status == 503
    assert not parts["redis"]["ok"]
    assert "REDIS_URL" in str(parts["redis"]["text"])
    assert parts["database"]["ok"]
    eventually(lambda: states(copy)[0] == 200)


def test_a_dead_worker_is_replaced(copy: Copy, eventually: Wait) -> None:
    (worker,) = copy.children("worker-1@")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: set(copy.children("worker-1@")) - {worker})
    eventually(lambda: copy.printed.count("worker-1@") >= 2)
    eventually(lambda: states(copy)[0] == 200)


def test_a_dead_valkey_comes_back_and_everybody_finds_it(copy: Copy, eventually: Wait) -> None:
    (valkey,) = copy.children("valkey-server")
    os.kill(valkey, signal.SIGKILL)
    eventually(lambda: set(copy.children("valkey-server")) - {valkey})
    eventually(lambda: states(copy)[0] == 200)


def test_three_lives_of_a_second_copy(copy: Copy, tmp_path: Path, start: Start) -> None:
    """Beside the first copy; it ends politely, by force and by Ctrl-C, and the next start finds all in order."""
    folder = tmp_path / "var"
    other = start(folder)
    pids = [other.process.pid, *other.children()]
    assert len(pids) > 5
    assert other.get("/healthz")[0] == 200
    assert "Static files were collected." in other.printed
    first = (copy.folder / "secrets" / "secret_key").read_text()
    assert (folder / "secrets" / "secret_key").read_text() != first
    assert other.stop(signal.SIGTERM) == 0
    assert not set(pids) & set(processes())
    assert states(copy)[0] == 200, "each ends alone"

    again = start(folder, port=other.port)
    assert "Static files were collected." not in again.printed, "a later start has less to do"
    pids = list(again.children())
    again.process.kill()
    again.process.wait()
    # No wait in between: the new copy itself waits until the watcher has ended the old processes.
    behind = start(folder, port=other.port, BASE_URL="https://deployer.example", PROXY="1")
    assert not set(pids) & set(processes())
    check_that_a_proxy_ends_tls(behind)
    pids = list(behind.children())
    assert behind.stop(signal.SIGINT) == 0
    assert not set(pids) & set(processes())


def check_that_a_proxy_ends_tls(copy: Copy) -> None:
    """Cookies, redirects and strict transport security follow what a trusted proxy says."""
    assert copy.get("/healthz", Host="deployer.example")[0] == 200
    through = {"Host": "deployer.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    status, headers, _ = copy.get("/signin", **through)
    assert status == 200
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["set-cookie"].startswith("__Host-deployer-csrf=")
    assert "Secure" in headers["set-cookie"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "eighty"}, "Wrong setting PORT: 'eighty' is not a whole number"),
        ({"DATABASE_URL": "mysql://root@localhost/x"}, "Wrong setting DATABASE_URL: the scheme 'mysql' is not known."),
        ({"REDIS_URL": "localhost"}, "Wrong setting REDIS_URL:"),
        ({"BASE_URL": "https://deployer.example"}, "Wrong setting BASE_URL: https needs a proxy"),
        ({"BASE_URL": "deployer.example"}, "Wrong setting BASE_URL:"),
        ({"TIME_ZONE": "Mars/Olympus"}, "Wrong setting TIME_ZONE:"),
        ({"SECRET_KEY": "short"}, "Wrong setting SECRET_KEY:"),
        ({"ENCRYPTION_KEYS": "short"}, "Wrong setting ENCRYPTION_KEYS:"),
        ({"REPOSITORY_ROOTS": "relative"}, "Wrong setting REPOSITORY_ROOTS:"),
        ({"LOG_LEVEL": "LOUD"}, "Wrong setting LOG_LEVEL:"),
        ({"PROXY": "1", "TRUSTED_PROXIES": "everyone"}, "Wrong setting TRUSTED_PROXIES:"),
        ({"STATSD": "statsd/8125"}, "Wrong setting STATSD:"),
        ({"METRICS_TOKEN": "short"}, "Wrong setting METRICS_TOKEN:"),
        ({"METRICS_NETWORKS": "home"}, "Wrong setting METRICS_NETWORKS:"),
        ({"GRAPHITE_EVENTS": "graphite.example.com"}, "Wrong setting GRAPHITE_EVENTS:"),
        ({"WORKER_THREADS": "1"}, "Wrong setting WORKER_THREADS:"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_stops_the_start_with_one_sentence(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    refused = try_to_start(tmp_path / "var", free_port(), **settings)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith(words)
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "var" / "deployer.sqlite3").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = try_to_start(tmp_path / "file" / "var", free_port())
    assert refused.returncode == 2
    assert refused.stderr.startswith("Wrong setting VAR:")


def test_a_database_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    refused = try_to_start(tmp_path / "var", free_port(), DATABASE_URL="postgresql://127.0.0.1:1/deployer")
    assert refused.returncode == 1
    assert "The database cannot be used" in refused.stderr
    assert "Nothing was started." in refused.stderr


def test_a_migration_that_fails_leaves_the_version_before_at_work(tmp_path: Path, migrated: Path) -> None:
    """It finds its tables there already: what nobody expected, as with any that fails."""
    (tmp_path / "var").mkdir()
    file = tmp_path / "var" / "deployer.sqlite3"
    shutil.copyfile(migrated, file)
    before = _tables(file)
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'deployments'")
    refused = try_to_start(tmp_path / "var", free_port())
    assert refused.returncode == 1
    assert "the migration deployments.0001_first failed (table " in refused.stderr
    assert "The version that ran before works with the tables as they are: start that again" in refused.stderr
    assert "Nothing was started." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert _tables(file) == before


def _tables(file: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(file) as database:
        return list(database.execute("SELECT name, sql FROM sqlite_master ORDER BY name"))


def test_check_looks_and_starts_nothing(tmp_path: Path) -> None:
    looked = try_to_start(tmp_path / "var", free_port(), "--check")
    assert looked.returncode == 0
    assert "it can start" in looked.stdout
    assert not (tmp_path / "var" / "deployer.sqlite3").exists()


def test_an_old_python_is_named_before_anything_is_imported() -> None:
    pretend = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path('manage.py', run_name='__main__')"
    refused = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False, timeout=180
    )
    assert refused.returncode == 1
    assert "needs Python 3.11 or newer" in refused.stderr
    assert "is Python 3.9." in refused.stderr


def test_a_port_is_free_again_right_after_a_connection_ended() -> None:
    """TIME_WAIT must not be taken for another program."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as accepted:
            accepted.close()
    assert is_free("127.0.0.1", port)
