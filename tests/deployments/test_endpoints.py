"""Endpoints on hosts: made from a branch, answering with it, and taken away without a trace."""

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncssh
import pytest
from pytest_django import Settings

from deployments import lifecycle
from deployments.demo import seed
from deployments.models import Deploy, Placement, Standing
from deployments.states import DeployStatus
from environments import ssh
from environments.demo.guard import marked_processes
from environments.models import Endpoint, Target, User
from tests.deployments.fleet import Driver
from tests.environments.demo_fleet import RunningFleet, a_fleet
from tests.patience import eventually


@pytest.fixture
def demo(settings: Settings, tmp_path: Path, transactional_db: None) -> Iterator[RunningFleet]:
    settings.VAR = tmp_path
    settings.DEMO = True
    settings.REPOSITORY_ROOTS = [tmp_path / "demo" / "repositories"]
    with a_fleet(tmp_path / "demo", asyncssh.generate_private_key("ssh-ed25519")) as fleet:
        yield fleet
        ssh.close_idle(-1)


def get(address: str) -> str:
    """What a browser would get: names below localhost are this machine, whatever its resolver knows."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.hostname.endswith(".localhost")
    request = urllib.request.Request(f"http://127.0.0.1:{parts.port}/", headers={"Host": parts.netloc})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def run(driver: Driver, deploy: Deploy) -> Deploy:
    driver.run_to_end(deploy)
    errors = list(deploy.runs.values_list("host_name", "error"))
    assert deploy.status == DeployStatus.SUCCEEDED, (deploy.reason, errors)
    return deploy


def test_on_the_demo_an_endpoint_answers_with_its_branch_and_is_taken_away(demo: RunningFleet, driver: Driver) -> None:
    seed()
    ben = User.objects.get(username="ben")
    parent = Target.objects.get(application__name="storefront", environment__name="staging")
    before = processes(demo)
    deploy = run(driver, lifecycle.make_endpoint(parent, "feature/dark-mode", by=ben))
    endpoint = Endpoint.objects.get()
    assert (endpoint.target.slug, endpoint.branch) == ("storefront/staging/feature-dark-mode", "feature/dark-mode")
    assert endpoint.address == f"http://storefront-feature-dark-mode.staging.localhost:{endpoint.port}"
    page = get(endpoint.address)
    assert deploy.revision[:8] in page
    other = run(driver, lifecycle.make_endpoint(parent, "main", by=ben))
    assert other.revision[:8] in get(Endpoint.objects.get(branch="main").address)
    assert deploy.revision[:8] in get(endpoint.address), "each serves its own"
    assert not Placement.objects.filter(target=parent, current__isnull=False).exists(), "the target itself is as it was"

    host = deploy.runs.get().host_name
    folder = demo.demo.home(host) / "srv/storefront/endpoints"
    assert sorted(os.listdir(folder)) == ["feature-dark-mode", "main"]
    away = run(driver, lifecycle.take_away(endpoint, by=ben))
    assert (away.number, away.kind) == (2, "task")
    assert os.listdir(folder) == ["main"]
    endpoint.refresh_from_db()
    assert endpoint.gone_at is not None
    assert Standing.objects.get(target=endpoint.target).live is None
    with pytest.raises(OSError, match="refused"):
        get(endpoint.address)
    assert other.revision[:8] in get(Endpoint.objects.get(branch="main").address)
    run(driver, lifecycle.take_away(Endpoint.objects.get(branch="main"), by=ben))
    assert not folder.exists()
    eventually(lambda: processes(demo) == before, what="nothing of them runs any more")


def processes(demo: RunningFleet) -> int:
    return len(list(marked_processes(demo.demo.marker)))
