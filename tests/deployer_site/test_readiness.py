"""What /readyz says while parts are down. Everything at once, in the real processes: test_up.py."""

import threading
import time
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from deployer_site import readiness
from deployer_site.readiness import Probe, State
from deployments import claims


def test_a_check_that_hangs_delays_the_answer_no_longer_than_asked() -> None:
    release = threading.Event()
    started: list[int] = []

    def hang() -> State:
        started.append(1)
        release.wait(60)
        return State(True, "late")

    probe = Probe(hang, hangs="It hangs.")
    try:
        for _ in range(3):
            probe.begin()
            assert probe.answer(until=time.monotonic() + 0.05) == State(False, "It hangs.")
        assert started == [1], "A check that hangs must not be started again."
    finally:
        release.set()
    assert probe.answer(until=time.monotonic() + 60) == State(True, "late")


def test_a_check_that_breaks_is_not_taken_for_a_good_one() -> None:
    probe = Probe(lambda: State(True, "fine"), hangs="It hangs.")
    probe.begin()
    assert probe.answer(until=time.monotonic() + 60).ok
    probe = Probe(lambda: State(False, "broken"), hangs="It hangs.")
    probe.begin()
    assert not probe.answer(until=time.monotonic() + 60).ok


@pytest.mark.django_db(transaction=True)
@pytest.mark.both_databases
def test_without_a_worker_it_says_what_to_do() -> None:
    assert readiness.worker_state().ok is False
    worker = claims.register()
    assert readiness.worker_state() == State(True, "1 worker is alive.")
    claims.retire(worker)
    assert "Start one" in readiness.worker_state().text


@pytest.mark.django_db
def test_a_database_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise DatabaseError("connection refused\nIs the server running?")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert readiness.database_state() == State(
        False, "The database does not answer (connection refused). Start it, and check DATABASE_URL."
    )


def test_a_redis_that_refuses_is_told(settings: Any) -> None:
    settings.REDIS_URL = "redis://:secret@127.0.0.1:1/0"
    state = readiness.redis_state()
    assert not state.ok
    assert "secret" not in state.text


def test_a_redis_that_answers_is_fine(valkey: str) -> None:
    assert readiness.redis_state() == State(True, "Redis answers.")


@pytest.mark.django_db(transaction=True)
def test_one_bad_part_makes_the_whole_not_ready(valkey: str) -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert {name: part["ok"] for name, part in answer.json().items()} == {
        "database": True,
        "redis": True,
        "worker": False,
        "demo": True,
    }


def test_being_alive_asks_nobody() -> None:
    """Without the mark for the database, any query would fail this test."""
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"alive\n")
