"""Links to hosts break, hang and heal: what is said of each host is true, and no host waits for another."""

import hashlib
import time
from collections.abc import Callable, Iterator

import pytest

from deployments import lifecycle, log
from deployments.runs import release_of
from environments.models import Host
from tests.chaos.faulty_link import FaultyLink
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, eventually, step
from tests.deployments.test_cancel import FINAL_SECONDS, begun

Behind = Callable[[FleetTarget, str], FaultyLink]


@pytest.fixture
def behind_a_link() -> Iterator[Behind]:
    """Puts a host behind a link of its own."""
    links: list[FaultyLink] = []

    def put(place: FleetTarget, name: str) -> FaultyLink:
        host = Host.objects.get(name=name)
        links.append(FaultyLink(host.address, host.port))
        Host.objects.filter(pk=host.pk).update(port=links[-1].port)
        return links[-1]

    yield put
    for link in links:
        link.close()


def test_a_link_that_breaks_late_is_made_anew(
    make_fleet_target: MakeFleetTarget, driver: Driver, behind_a_link: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for a new try counts from the break, however long the program had run; no line comes twice."""
    monkeypatch.setattr("deployments.follow.LINK_SECONDS", 5)
    counts = (
        "n=0; while [ $n -lt 40 ]; do n=$((n + 1)); echo line $n; [ $n != 30 ] || touch ../../begun; sleep 0.2; done"
    )
    place = make_fleet_target(hosts=1, steps=[step("count", counts)])
    link = behind_a_link(place, next(iter(place.homes)))
    deploy = request(place)
    with driver.running(deploy):
        eventually(lambda: begun(place), what="line 30")
        link.reset()
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    said = [line.text for line in log.read_all(deploy.pk) if line.stream == "stdout"]
    assert said == [f"line {n}" for n in range(1, 41)]
    assert link.connections >= 2


def test_a_server_that_stops_answering_is_unreachable_and_the_others_go_live(
    make_fleet_target: MakeFleetTarget, driver: Driver, behind_a_link: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel still acknowledges all that comes, so that no TCP timer ends the connection."""
    monkeypatch.setattr("deployments.talking.QUIET_SECONDS", 2.0)
    monkeypatch.setattr("deployments.follow.LINK_SECONDS", 4)
    monkeypatch.setattr("environments.ssh.channel.ANSWER_SECONDS", 5.0)
    monkeypatch.setattr("environments.ssh.connection.HANDSHAKE_SECONDS", 5)
    place = make_fleet_target(hosts=3, steps=[step("build", "touch ../../begun; sleep 3")])
    hung = list(place.homes)[1]
    link = behind_a_link(place, hung)
    deploy = request(place)
    with driver.running(deploy):
        eventually(lambda: begun(place), what="the step's begin")
        link.hold()
    assert (deploy.status, statuses(deploy)) == ("partial", ["live", "unreachable", "live"]), errors(deploy)
    assert errors(deploy)[hung].endswith("What it served before is still current.")
    assert not (place.root(hung) / "current").exists()


def test_a_host_that_hangs_when_all_switch_does_not_keep_the_others_from_it(
    make_fleet_target: MakeFleetTarget, driver: Driver, behind_a_link: Behind
) -> None:
    """Hosts wait for the word for 10 s only, and a connection that hangs is given up after 12."""
    place = make_fleet_target(hosts=3)
    hung = list(place.homes)[2]
    link = behind_a_link(place, hung)
    deploy = request(place)
    while not driver.batches:
        driver.advance(deploy)
    link.hold()
    driver.run_to_end(deploy)
    assert (deploy.status, statuses(deploy)) == ("partial", ["live", "live", "unreachable"])
    assert "the others did not wait for it" in errors(deploy)[hung]
    assert not (place.root(hung) / "current").exists()


def test_an_upload_that_is_cut_leaves_nothing_and_is_sent_again(
    make_fleet_target: MakeFleetTarget, driver: Driver, behind_a_link: Behind
) -> None:
    place = make_fleet_target(hosts=1)
    host = next(iter(place.homes))
    link = behind_a_link(place, host)
    link.cut_after(9_000, times=2)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    assert link.connections == 3
    assert place.current() == {host: release_of(deploy).name}
    archives = list((place.root(host) / ".deployer/archives").iterdir())
    assert [path.name for path in archives] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in archives]


def test_a_cancel_ends_an_upload_that_hangs(
    make_fleet_target: MakeFleetTarget, driver: Driver, behind_a_link: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("environments.ssh.channel.SEND_SECONDS", 3.0)
    monkeypatch.setattr("environments.ssh.connection.HANDSHAKE_SECONDS", 3)
    place = make_fleet_target(hosts=1)
    link = behind_a_link(place, next(iter(place.homes)))
    deploy = request(place)
    with driver.running(deploy):
        eventually(lambda: link.connections, what="the connection")
        link.hold()
        asked = time.monotonic()
        lifecycle.request_cancel(deploy, by=place.by)
    assert deploy.status == "cancelled"
    assert time.monotonic() - asked < FINAL_SECONDS
    assert not (place.roots()[0] / "current").exists()
