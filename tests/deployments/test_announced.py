"""Real deploys as they are announced: in the words that were promised, and without a secret (attack row A09)."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django import Settings

from environments import locks
from environments.configuration.changing import set_value
from environments.configuration.scopes import Scope
from notifications import sending
from notifications.models import Channel, Delivery
from tests.builders import make_lock, make_user
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, FleetTarget, step
from tests.deployments.test_outside_secrets import CANARY, LEAKS, hits
from tests.notifications.channel_builders import make_channel
from tests.notifications.receiver import Receiver, receiving


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CHANNEL_ADDRESSES = "private"
    with receiving() as found:
        yield found


def test_what_is_told_of_real_deploys(make_fleet_target: MakeFleetTarget, driver: Driver, receiver: Receiver) -> None:
    """One that succeeds, one whose step prints a secret and fails, one that fails on one host only, and a lock."""
    fails = f"{LEAKS}; test ! -e ../../fails"
    place = make_fleet_target(hosts=3, steps=[step("leak", fails)])
    set_value(Scope(place.target), "TOKEN", CANARY, secret=True, by=None)
    channel = make_channel(address=receiver.address)
    first = driver.run_to_end(request(place))
    assert first.status == "succeeded", [run.error for run in first.runs.all()]
    hosts = list(place.homes)
    (place.root(hosts[0]) / "fails").touch()
    place.target.on_failure = "continue"
    place.target.needed = 50
    place.target.save()
    second = driver.run_to_end(request(place, "v1"))
    for host in hosts:
        (place.root(host) / "fails").touch()
    third = driver.run_to_end(request(place, "main"))
    lock = locks.acquire(
        locks.of_target(place.target), by=place.by, reason="demo", until=locks.clock() + timedelta(hours=1)
    )
    locks.release(lock, by=place.by)
    sending.send_waiting(channel.pk)
    texts = [json.loads(taken.body)["data"]["text"] for taken in receiver.taken]
    name, env, who = place.target.application.name, place.target.environment.name, place.by.full_name
    main, v1 = first.revision[:8], second.revision[:8]
    assert texts[:2] == [
        f"{name}/main ({main}) is being deployed to {env} by {who}",
        f"{name}/main successfully deployed to {env}",
    ]
    assert (second.status, third.status) == ("partial", "failed")
    assert texts[3] == f"{name}/v1 ({v1}) deployed to 2 of 3 hosts of {env}"
    assert texts[5].startswith(f"{name}/main ({main}) failed to deploy to {env}: ")
    assert texts[6].startswith(f"{name}/{env} is locked by {who} until ")
    assert texts[7:] == [f"{name}/{env} is unlocked; {who} had locked it"]
    for taken in receiver.taken:
        assert hits(taken.body) == []
    kept = json.dumps([list(Delivery.objects.values_list("text", "error")), list(Channel.objects.values("trouble"))])
    assert hits(kept.encode()) == []


def test_an_automatic_deploy_that_meets_a_lock_is_told_once(place: FleetTarget, receiver: Receiver) -> None:
    channel = make_channel(address=receiver.address)
    make_lock(target=place.target, by=make_user(), reason="a demo")
    deploy = request(place, automatic=True, wait=True)
    assert deploy.met_lock is not None
    sending.send_waiting(channel.pk)
    (text,) = [json.loads(taken.body)["data"]["text"] for taken in receiver.taken]
    assert text.startswith(f"{place.target.application.name}/main ({deploy.revision[:8]}) is held before ")
    assert text.endswith(": a demo")
