"""R05, R06, R07, R11: the broker dies with all that it held, hangs, or is behind a link that does; everything dies."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from celery import current_app

from deployer_site.readiness import worker_state
from deployer_site.valkey import find_binary, write_configuration
from deployments import doorbell
from notifications.models import Event
from tests.chaos.cluster import Cluster, await_ends, runs_of, warm_up
from tests.chaos.faulty_link import FaultyLink
from tests.chaos.truth import check_true_end, executions_once
from tests.deployments.ended import request
from tests.deployments.fleet import closed_port
from tests.patience import within
from tests.processes import Processes

AT_ONCE = 4
LONGEST_CLICK = 5.0
BOOT_SECONDS = 90.0
ALARM_SECONDS, RESTART_SECONDS = 60.0, 90.0

pytestmark = [pytest.mark.django_db(transaction=True)]


@dataclass
class Broker:
    """A Valkey of its own, which keeps nothing."""

    processes: Processes
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://:of-tests-only@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.child = self.processes.start([str(find_binary()), str(write_configuration(self.url, self.folder))])
        within(self._answers, 20, "the broker's answer")

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url)
        with suppress(redis.ConnectionError):
            return bool(client.ping())
        return False


@pytest.fixture
def broker(processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    made = Broker(processes, tmp_path, closed_port())
    made.start()
    monkeypatch.setattr(current_app.conf, "broker_write_url", made.url)
    yield made
    with suppress(subprocess.TimeoutExpired):
        made.signal(signal.SIGCONT)
        made.child.terminate()
        made.child.wait(5)


@pytest.mark.parametrize("away", [1, 8, 60])
def test_r05_the_broker_is_killed_and_has_forgotten_all(
    cluster: Cluster, broker: Broker, chance: random.Random, away: int
) -> None:
    cluster.redis_url = broker.url
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    running = [request(place) for place in places]
    time.sleep(chance.uniform(0, 3))
    broker.kill()
    began = time.monotonic()
    queued = [request(place, "v1", wait=True) for place in places]
    assert time.monotonic() - began < LONGEST_CLICK * AT_ONCE
    time.sleep(max(0.0, away - (time.monotonic() - began)))
    broker.start()
    back = time.monotonic()
    await_ends(running + queued, 90)
    for place, deploy in zip(places * 2, running + queued, strict=True):
        check_true_end(place, deploy)
        assert deploy.status == "succeeded"
        assert executions_once(place, deploy) == 1
    print(
        f"R05: broker away for {away} s: 0 of {AT_ONCE * 2} lost or run twice, "
        f"all over {time.monotonic() - back:.1f} s after"
    )


def test_r06_the_broker_hangs(cluster: Cluster, broker: Broker, chance: random.Random) -> None:
    cluster.redis_url = broker.url
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    running = [request(place) for place in places]
    time.sleep(chance.uniform(0, 2))
    broker.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    clicks = []
    await_ends(running, 60)
    during = []
    for place in places:
        began = time.monotonic()
        during.append(request(place, "v1"))
        clicks.append(time.monotonic() - began)
    await_ends(during, 60)
    ended = time.monotonic() - stopped
    time.sleep(max(0.0, 60 - ended))
    broker.signal(signal.SIGCONT)
    after = [request(place) for place in places]
    await_ends(after, 60)
    for place, deploy in zip(places * 3, running + during + after, strict=True):
        check_true_end(place, deploy)
        assert deploy.status == "succeeded"
    assert max(clicks) < LONGEST_CLICK
    print(
        f"R06: broker hung for 60 s: a click took {max(clicks):.1f} s at most, "
        f"{AT_ONCE * 2} deploys over after {ended:.1f} s"
    )


def test_r07_a_worker_behind_a_link_that_hangs_consumes_again(
    cluster: Cluster, broker: Broker, link_to: Callable[[str, int], FaultyLink]
) -> None:
    """It does by its sweep what nobody can ring for, says that it hears nothing, and listens again by itself."""
    link = link_to("127.0.0.1", broker.port)
    behind = f"redis://:of-tests-only@127.0.0.1:{link.port}/0"
    (place,) = cluster.places(1)
    cluster.start(1, redis_url=behind)
    warm_up([place])
    link.hold()
    held = time.monotonic()
    within(Event.objects.filter(kind="worker.deaf").exists, ALARM_SECONDS, "the alarm")
    told = time.monotonic() - held
    assert "hears nothing from Redis" in worker_state().text
    time.sleep(max(0.0, 70 - told))
    without = request(place)
    await_ends([without])
    link.reset()
    link.release()
    healed = time.monotonic()
    client = redis.Redis.from_url(broker.url)
    doorbell.ring(without.pk)
    within(lambda: not client.llen("deployer:deployer"), 90, "that the worker consumes")
    consumed = time.monotonic() - healed
    within(lambda: worker_state().ok, 30, "that all is well")
    client.close()
    check_true_end(place, without)
    assert urlsplit(behind).port != broker.port
    print(f"R07: told after {told:.1f} s; a deploy ended without the broker; consumed again {consumed:.1f} s after")


def test_r07_a_worker_that_consumes_no_more_ends_itself(cluster: Cluster, broker: Broker) -> None:
    """It was told to stop listening, and lives on: whoever keeps it starts it anew. Another one has its deploy."""
    cluster.redis_url = broker.url
    (place,) = cluster.places(1)
    (deaf,) = cluster.start(1)
    warm_up([place])
    row = deaf.row()
    assert row is not None
    with current_app.connection_for_write() as connection:
        for queue in ("deployer", doorbell.inbox_queue(row.inbox)):
            current_app.control.cancel_consumer(queue, connection=connection)
    began = time.monotonic()
    running = request(place)
    within(Event.objects.filter(kind="worker.deaf").exists, ALARM_SECONDS, "the alarm")
    told = time.monotonic() - began
    within(lambda: deaf.child.poll() is not None, RESTART_SECONDS - told, "the end of the worker")
    ended = time.monotonic() - began
    cluster.kill(deaf)
    cluster.start(1)
    await_ends([running])
    check_true_end(place, running)
    print(f"R07: a worker that heard nothing was told of after {told:.1f} s, and ended itself after {ended:.1f} s")


def test_r11_everything_is_killed(cluster: Cluster, broker: Broker, chance: random.Random) -> None:
    cluster.redis_url = broker.url
    places = cluster.places(AT_ONCE)
    cluster.start(2)
    warm_up(places)
    longest = 0.0
    for _ in range(runs_of(10)):
        running = [request(place) for place in places]
        queued = [request(place, "v1", wait=True) for place in places]
        time.sleep(chance.uniform(0, 8))
        cluster.kill_all()
        broker.kill()
        time.sleep(chance.uniform(0, 5))
        broker.start()
        booted = time.monotonic()
        cluster.start(2)
        await_ends(running + queued, BOOT_SECONDS)
        longest = max(longest, time.monotonic() - booted)
        for place, deploy in zip(places * 2, running + queued, strict=True):
            check_true_end(place, deploy)
            assert deploy.status == "succeeded", deploy.reason
            assert executions_once(place, deploy) == 1
    print(f"R11: {runs_of(10)} boots, {AT_ONCE * 2} open deploys each: all over and true within {longest:.1f} s")
