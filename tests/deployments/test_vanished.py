"""A host that goes from its source in the middle of a deploy is unknown, and the deploy says so."""

import pytest

from deployments.page_queries.troubles import build_troubles
from environments import ssh
from environments.models import GivenHost, Host, HostSource, Membership
from environments.sources import following, refreshing, vanished
from notifications.models import Event
from tests.builders import make_environment, make_host
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, closed_port


def named_by_a_source(place: FleetTarget) -> HostSource:
    """Its hosts, as a source has named them; it names all but the last from now on."""
    environment = place.target.environment
    hosts = list(Host.objects.filter(name__in=place.homes).order_by("name"))
    lines = "\n".join(f"{host.user or 'deploy'}@{host.address}:{host.port} as {host.name}" for host in hosts[:-1])
    source = HostSource.objects.create(
        name="fleet", kind="lines", environment=environment, settings={"lines": lines}, share=50
    )
    GivenHost.objects.bulk_create(GivenHost(source=source, host=host, key=host.name) for host in hosts)
    Membership.objects.filter(environment=environment).update(source="fleet")
    return source


def stop(host: Host) -> None:
    """The machine is no more: nothing listens there."""
    Host.objects.filter(pk=host.pk).update(port=closed_port())
    ssh.forget(host)


@pytest.mark.parametrize("when", ["it has left", "it is kept"])
def test_one_that_vanishes_is_unknown(
    when: str, make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.follow.LINK_SECONDS", 1)
    place = make_fleet_target(hosts=3, needed=50)
    source = named_by_a_source(place)
    if when == "it is kept":
        HostSource.objects.update(share=0)
    last = Host.objects.filter(name__in=place.homes).order_by("name").last()
    assert last
    deploy = request(place)
    while not driver.batches:  # all are prepared
        driver.advance(deploy)
    refreshing.refresh(HostSource.objects.get())
    stop(last)
    driver.run_to_end(deploy)
    assert Membership.objects.filter(host=last).exists() == (when == "it is kept")
    assert (deploy.status, statuses(deploy)) == ("needs_attention", ["live", "live", "unknown"]), errors(deploy)
    run = deploy.runs.get(host_name=last.name)
    why = f"{source.name} names it no more" if when == "it is kept" else f"it has left {place.target.environment.name}"
    assert run.error_kind == "vanished"
    assert f"It vanished in the middle of this deploy: {why}." in run.error
    assert deploy.reason == f"Nobody knows what happened on {last.name}. Look there, then deploy again."
    (told,) = build_troubles(deploy, list(deploy.runs.all()))
    assert told.title == f"{last.name} vanished in the middle of the deploy"
    assert Event.objects.filter(kind="host_run.unknown", host=last.name).exists()


def test_one_that_leaves_but_answers_keeps_its_part_to_the_end(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(hosts=3, needed=50)
    named_by_a_source(place)
    deploy = request(place)
    while not driver.batches:
        driver.advance(deploy)
    refreshing.refresh(HostSource.objects.get())
    driver.run_to_end(deploy)
    assert (deploy.status, statuses(deploy)) == ("succeeded", ["live"] * 3), errors(deploy)
    assert Membership.objects.filter(environment=place.target.environment).count() == 2


@pytest.mark.django_db
def test_what_another_source_names_has_not_vanished() -> None:
    environment = make_environment()
    host = make_host(name="web-1", environment=environment)
    assert vanished.tell(host.pk, environment) == ""
    for name in ("one", "two"):
        source = HostSource.objects.create(name=name, kind="lines", environment=environment, leaving=["web-1"])
        GivenHost.objects.create(source=source, host=host, key="web-1")
    assert vanished.tell(host.pk, environment) == "one and two name it no more"
    HostSource.objects.filter(name="two").update(leaving=[])
    assert vanished.tell(host.pk, environment) == ""
    assert vanished.tell(None, environment) == "it was taken out of the Deployer"
    following.remove(HostSource.objects.get(name="one"), [host.pk], by="")
    Membership.objects.all().delete()
    assert vanished.tell(host.pk, environment) == f"it has left {environment.name}"
