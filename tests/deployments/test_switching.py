"""Hosts switch together; what is wrong with one of them is that one's alone."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from deployments import arming, lifecycle, switching
from deployments.states import DeployStatus
from environments.demo.layout import DemoFolder
from tests.deployments.fleet import Driver, Fleet, hosts_that_nobody_runs, make_target_on, step
from tests.repository import Repository

HOSTS = 12


@pytest.mark.django_db(transaction=True)
def test_a_mistake_of_ours_with_one_host_harms_no_other(
    shop: Repository, repositories: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, valkey: str
) -> None:
    """And more hosts than threads are armed, each once."""
    settings.REPOSITORY_ROOTS = [repositories]
    settings.HOST_TRANSPORT = "benchmarks.simulated_hosts.program"
    for module in (arming, switching):
        monkeypatch.setattr(module, "THREADS_MOST", 3)
    arm, armed = arming.arm_host, []

    def mistaken(item: arming.Armed, channels: Any) -> None:
        armed.append(item.run.host_name)
        if item.run.host_name == "web-05":
            raise KeyError("a mistake of ours")
        arm(item, channels)

    monkeypatch.setattr(arming, "arm_host", mistaken)
    nobody = Fleet(DemoFolder(repositories), hosts_that_nobody_runs(HOSTS), "ssh-ed25519 AAAA", "")
    place = make_target_on(nobody, shop, hosts=HOSTS, needed=50, steps=[step("build", "true")])
    driver = Driver()
    try:
        deploy = lifecycle.request_deploy(target=place.target, ref="main", by=place.by)
        driver.run_to_end(deploy)
    finally:
        driver.end()
    assert (deploy.status, deploy.reason) == (DeployStatus.PARTIAL, f"{HOSTS - 1} of {HOSTS} hosts are live.")
    assert sorted(armed) == sorted(place.homes)
    wrong = deploy.runs.exclude(status="live").get()
    assert (wrong.host_name, wrong.status, wrong.error_kind) == ("web-05", "failed", "internal")
