"""Deploys to real SSH hosts, from the request to the last line of the log."""

import hashlib

import pytest

from deployments import lifecycle, log
from deployments.models import Deploy
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.fleet import Driver, FleetTarget, step


def texts(deploy: Deploy) -> list[str]:
    return [line.text for line in log.read_all(deploy.pk)]


def errors(deploy: Deploy) -> dict[str, str]:
    return {run.host_name: run.error for run in deploy.runs.all() if run.error}


def request(place: FleetTarget, ref: str = "main") -> Deploy:
    return lifecycle.request_deploy(target=place.target, ref=ref, by=place.by)


@pytest.mark.parametrize("distribution", ["archive", "git"])
def test_it_deploys_to_twelve_hosts(distribution: str, make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=12,
        distribution=distribution,
        steps=[step("build", "echo building; echo warned >&2"), step("restart", "echo up", "restart")],
    )
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    assert deploy.release is not None
    assert set(place.current().values()) == {deploy.release.name}
    for root in place.roots():
        assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
        assert (root / "current/latest").readlink().name == "index.html"
    lines = list(log.read_all(deploy.pk))
    assert [line.n for line in lines] == list(range(1, deploy.lines + 1))
    assert deploy.log_sha256 == hashlib.sha256("".join(f"{line.text}\n" for line in lines).encode()).hexdigest()
    for name in place.homes:
        own = [line.text for line in lines if line.host == name and line.stream == "stdout"]
        assert own == ["building", "warned", "up"]
