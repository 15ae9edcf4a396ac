"""What a deploy to many hosts asks of the database: few statements for all of them together, none for each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from pytest_django import Settings

from deployments import lifecycle, recorder
from deployments.models import HeldRelease, LogChunk, Program
from deployments.states import DeployStatus
from environments.demo.layout import DemoFolder
from tests.deployments.fleet import Driver, Fleet, hosts_that_nobody_runs, make_target_on, step
from tests.repository import Repository

FEW, MANY = 20, 60
MOST_PER_HOST = 0.5  # long lists are written in several statements


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of all threads of this process."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        found.append(sql)
        return execute(sql, *rest)

    def begin(connection: Any, **_: object) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(begin)
    try:
        with connection.execute_wrapper(note):
            yield found
    finally:
        connection_created.disconnect(begin)


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_deploy_costs_no_statements_per_host(
    shop: Repository, repositories: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, valkey: str
) -> None:
    settings.REPOSITORY_ROOTS = [repositories]
    settings.HOST_TRANSPORT = "benchmarks.simulated_hosts.program"
    # so long that what the hosts of one phase want is written together, however slow this machine is
    monkeypatch.setattr(recorder, "BATCH_SECONDS", 1.0)
    monkeypatch.setattr(recorder, "URGENT_SECONDS", 1.0)
    nobody = Fleet(DemoFolder(repositories), hosts_that_nobody_runs(MANY), "ssh-ed25519 AAAA", "")
    driver = Driver()
    try:
        counts = {size: _statements(nobody, shop, driver, size) for size in (FEW, MANY)}
    finally:
        driver.end()
    assert (counts[MANY] - counts[FEW]) / (MANY - FEW) <= MOST_PER_HOST, counts


def _statements(nobody: Fleet, shop: Repository, driver: Driver, size: int) -> int:
    place = make_target_on(nobody, shop, hosts=size, steps=[step("build", "true")])
    with counted() as found:
        deploy = lifecycle.request_deploy(target=place.target, ref="main", by=place.by)
        driver.run_to_end(deploy)
    assert deploy.status == DeployStatus.SUCCEEDED
    assert Program.objects.filter(run__deploy=deploy, result="ok").count() == 2 * size
    assert HeldRelease.objects.filter(release=deploy.release).count() == size
    assert LogChunk.objects.filter(deploy=deploy, program__isnull=False).count() >= 2 * size
    return len(found)
