"""What stores said, written down by several workers at once: nothing is lost, and all of them go on with the same."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from environments.configuration import referring
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, FetchedSecrets, Target
from environments.secret_stores import keeping, remembering
from environments.secret_stores.keeping import Plan
from environments.secret_stores.references import Found, Reference
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
WORKERS = 8
SHARED = Reference("vault", "shop/database", "password")


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Begin all at the same moment, each with a connection of its own."""
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            together.wait(60)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.fixture
def target() -> Target:
    return builders.make_target()


def own(worker: int) -> Reference:
    return Reference("vault", f"shop/{worker}", "password")


def test_what_was_stored_first_counts_for_all(target: Target) -> None:
    def remember(worker: int) -> dict[Reference, str]:
        said = {SHARED: Found(f"of {worker}"), own(worker): Found(f"only {worker}")}
        return remembering.remember(target, "r1", said)

    told = at_once([partial(remember, worker) for worker in range(WORKERS)])
    kept = remembering.remembered(target, "r1")
    assert kept == {own(worker): f"only {worker}" for worker in range(WORKERS)} | {SHARED: kept[SHARED]}
    assert {one[SHARED] for one in told} == {kept[SHARED]}
    assert [one[own(worker)] for worker, one in enumerate(told)] == [f"only {worker}" for worker in range(WORKERS)]
    assert FetchedSecrets.objects.count() == 1


def test_releases_and_targets_do_not_mix(target: Target) -> None:
    other = builders.make_target()
    remembering.remember(target, "r1", {SHARED: Found("one")})
    remembering.remember(target, "r2", {SHARED: Found("two")})
    remembering.remember(other, "r1", {SHARED: Found("three")})
    assert remembering.remembered(target, "r1") == {SHARED: "one"}
    assert remembering.values_of(target, {"r1", "r2"}) == {"one", "two"}
    assert remembering.values_of(target, {"r2", "r3"}) == {"two"}


def test_a_version_is_noted_for_every_value_that_lies_there(target: Target) -> None:
    keeping.add(Plan("vault", "vault", {"address": "https://vault.example.com"}, "token"), by=None)
    for name, reference in (("A", SHARED), ("B", SHARED), ("C", own(1)), ("D", own(2))):
        referring.set_reference(Scope(target), name, reference, by=None)
    newest = {("vault", "shop/database"): 7, ("vault", "shop/1"): 3, ("vault", "shop/2"): 0, ("other", "shop/2"): 4}
    at_once([lambda: remembering.note_versions(newest)] * WORKERS)
    told = ConfigurationValue.objects.values_list("name", "seen_version")
    assert dict(told) == {"A": 7, "B": 7, "C": 3, "D": None}
