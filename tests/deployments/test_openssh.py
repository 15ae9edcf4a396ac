"""One deploy to a real OpenSSH server, run by whoever runs the tests."""

import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments import log
from deployments.runs import release_of
from environments import ssh
from environments.keys import ensure_key_pair
from environments.models import Host, HostKey
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, step
from tests.deployments.openssh import OpenSSH, running
from tests.processes import Processes


@pytest.fixture
def openssh(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    with running(processes, tmp_path) as server:
        yield server


@pytest.mark.parametrize("distribution", ["archive", "git"])
def test_it_deploys_to_openssh(
    distribution: str, openssh: OpenSSH, make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(
        hosts=1,
        distribution=distribution,
        user=getpass.getuser(),
        root="~/apps/shop",
        steps=[step("build", "echo building; pwd -P"), step("restart", "echo up", "restart")],
    )
    (openssh.folder / "authorized_keys").write_text(f"{ensure_key_pair().public}\n")
    Host.objects.update(port=openssh.port)
    HostKey.objects.update(algorithm=openssh.host_key[0], key=openssh.host_key[1])
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, [run.error for run in deploy.runs.all()]) == ("succeeded", [""])
    root = openssh.home / "apps/shop"
    release = root / "releases" / release_of(deploy).name
    assert (root / "current").resolve() == release.resolve()
    assert (root / "current/index.html").read_text() == "<h1>two</h1>\n"
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "stdout"]
    assert said == ["building", str(release.resolve()), "up"]


def test_openssh_shows_its_key(openssh: OpenSSH) -> None:
    (shown,) = ssh.scan("127.0.0.1", openssh.port)
    assert [shown.algorithm, shown.key] == openssh.host_key[:2]
    printed = subprocess.check_output(["ssh-keygen", "-lf", openssh.folder / "host_key.pub"], text=True)
    assert shown.fingerprint == printed.split()[1]
