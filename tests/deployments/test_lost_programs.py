"""A host forgot how a program ended, its runner was killed: what may run again does, the rest waits for a person."""

import os
import signal

import pytest

from deployments import log
from deployments.models import Program
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget, eventually, step
from tests.deployments.test_cancel import begun, processes_with
from tests.processes import nap

COUNTED = f'echo ran >> ../../ran; [ "$(wc -l < ../../ran)" -gt 1 ] || {{ touch ../../begun; {nap(19)}; }}; echo done'


def kill_runner(place: FleetTarget, host: str) -> None:
    runners = [pid for pid in processes_with("-prepare-1/program") if pid in processes_with(str(place.root(host)))]
    assert runners
    for pid in runners:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_killed_runner(make_fleet_target: MakeFleetTarget, driver: Driver, repeatable: bool) -> None:
    place = make_fleet_target(hosts=1, steps=[step("build", COUNTED, repeatable=repeatable)])
    (host,) = place.homes
    deploy = request(place)
    with driver.running(deploy):
        eventually(lambda: begun(place), what="the step's begin")
        kill_runner(place, host)
    run = deploy.runs.get()
    assert processes_with(nap(19)) == []
    if repeatable:
        assert (deploy.status, run.status) == ("succeeded", "live")
        assert place.read(host, "ran") == "ran\nran\n"
        results = Program.objects.filter(run=run, phase="prepare").order_by("attempt").values_list("result", flat=True)
        assert list(results) == ["lost", "ok"]
        assert [line.text for line in log.read_all(deploy.pk)].count("done") == 1
    else:
        assert (deploy.status, run.status, run.error_kind) == ("needs_attention", "unknown", "unknown")
        assert place.read(host, "ran") == "ran\n"
        assert not (place.root(host) / "current").exists()
