"""R37: channels that are dead, slow or lie: a deploy takes as long as without them, and nothing is lost."""

import statistics
import time

import pytest
from pytest_django import Settings

from notifications.models import Channel, Delivery
from tests.chaos.cluster import Cluster, await_ends, runs_of, warm_up
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget
from tests.notifications.channel_builders import make_channel
from tests.notifications.receiver import receiving
from tests.patience import within
from tests.ports import closed_port

MOST_MORE = 0.05  # of the time without channels
NOISE_SECONDS = 0.25  # by which two deploys of the same differ anyway

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def test_r37_dead_slow_and_lying_channels(
    cluster: Cluster, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_ADDRESSES = "private"
    monkeypatch.setenv("CHANNEL_ADDRESSES", "private")
    (place,) = cluster.places(1)
    cluster.start(2)
    warm_up([place])
    number = runs_of(10)
    without = [_seconds(place) for _ in range(number)]
    with receiving() as drips, receiving() as lies:
        drips.drips = True
        lies.status = 500
        for name, address in (
            ("dead", f"http://127.0.0.1:{closed_port()}/"),
            ("drips", drips.address),
            ("lies", lies.address),
            ("nowhere", "http://nobody.invalid/"),
            ("hole", "http://192.0.2.1/"),
        ):
            make_channel(name=name, address=address)
        among = [_seconds(place) for _ in range(number)]
        assert drips.taken, "somebody tried"
        usual, now = statistics.median(without), statistics.median(among)
        print(f"R37: {usual:.2f} s without channels, {now:.2f} s with five that are dead, slow or lie")
        assert now <= usual * (1 + MOST_MORE) + NOISE_SECONDS
        assert not Delivery.objects.filter(state="sent").exists()
        lies.status = 200
        channel = Channel.objects.get(name="lies")
        within(lambda: not channel.deliveries.filter(state="waiting").exists(), 120, "what was missed arrives")
        assert channel.deliveries.filter(state="sent").count() == 2 * number
    print(f"R37: {2 * number} announcements arrived once the server was well")


def _seconds(place: FleetTarget) -> float:
    began = time.monotonic()
    await_ends([request(place, "v1" if place.target.deploys.count() % 2 else "main")], 60)
    return time.monotonic() - began
