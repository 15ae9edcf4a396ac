"""Metrics: they arrive at real servers, and nothing ever waits for them."""

import re
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from notifications import events, metrics
from notifications.metrics import sending, totals
from notifications.metrics.names import dotted
from notifications.metrics.sending import Sender
from tests.notifications import graphite_servers
from tests.patience import eventually
from tests.processes import Processes
from tests.undone import undone

TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    """The sender of a process that has just begun."""
    made = Sender()
    monkeypatch.setattr(sending, "_sender", made)
    yield made
    made.end()


@pytest.fixture
def kept(sender: Sender, valkey: str, settings: Settings) -> Iterator[None]:
    """Prometheus may ask, and nothing has been counted yet."""
    settings.METRICS, settings.METRICS_TOKEN = True, TOKEN
    client = redis.Redis.from_url(valkey)
    client.delete(totals.TOTALS, totals.GAUGES)
    yield
    client.delete(totals.TOTALS, totals.GAUGES)
    client.close()


def told() -> dict[str, float]:
    """What /metrics says: values by name and labels."""
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {
        " ".join((sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels"), [("surprises", {}), ("deploys", {"application": "shop"}), ("deploy.time", {"kind": "x"})]
)
def test_what_is_not_declared_is_refused(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(metrics.UndeclaredMetric, match="METRICS"):
        metrics.count(name, **labels)


def test_a_name_has_the_levels_that_it_should_have() -> None:
    assert dotted("deploys", ("shop", "eu.west", "", "a b\n")) == "deploys.shop.eu_west.none.a_b_"


def test_each_metric_is_told_to_people() -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert sorted(set(re.findall(r"^\| `([a-z._]+)` \|", text, re.MULTILINE))) == sorted(metrics.METRICS)
    for metric in metrics.METRICS.values():
        assert re.search(rf"^\| `{metric.name}` \| {metric.kind.value} \| {', '.join(metric.labels)} ?\|", text, re.M)


@pytest.mark.django_db(transaction=True)
def test_counts_and_times_arrive_at_statsd_and_behind_it_at_carbon(
    sender: Sender, processes: Processes, tmp_path: Path, settings: Settings
) -> None:
    graphite = graphite_servers.start(processes, tmp_path)
    settings.STATSD, settings.STATSD_PREFIX = graphite.place, "deployer"
    place = {"application": "shop", "environment": "staging"}

    def send() -> bool:
        """Again and again: what is sent before the servers listen is lost, as it should be."""
        metrics.count("deploys", **place, trigger="page", outcome="succeeded")
        metrics.timing("deploy.time", 2.5, **place, outcome="succeeded")
        return bool(graphite.values("stats.timers.deployer.deploy.time.shop.staging.succeeded.mean"))

    eventually(send, what="A time arrives at Carbon")
    assert set(graphite.values("stats.timers.deployer.deploy.time.shop.staging.succeeded.mean")) == {2500.0}
    assert sum(graphite.values("stats.counters.deployer.deploys.shop.staging.page.succeeded.count")) >= 1
    sender.watch(lambda: [("oldest_wait", {}, 12.5)])
    eventually(lambda: graphite.values("stats.gauges.deployer.oldest_wait") != [], what="A gauge arrives at Carbon")
    assert set(graphite.values("stats.gauges.deployer.oldest_wait")) == {12.5}


@pytest.mark.django_db(transaction=True)
def test_prometheus_is_told_totals_times_and_gauges(kept: None, sender: Sender) -> None:
    for seconds in (0.2, 3, 100_000):
        metrics.timing("deploy.queue_time", seconds, application="shop", environment="staging")
    metrics.count("log.lines", 40, application="shop", environment="staging")
    metrics.count("log.lines", 2, application="shop", environment="staging")
    sender.watch(lambda: [("workers", {"state": "alive"}, 2)])
    shop = "application=shop environment=staging"
    eventually(lambda: told().get("deployer_workers state=alive") == 2, what="A gauge is told")
    found = told()
    assert found[f"deployer_log_lines_total {shop}"] == 42
    queue = "deployer_deploy_queue_time_seconds"
    assert found[f"{queue}_count {shop}"] == 3
    assert found[f"{queue}_sum {shop}"] == pytest.approx(100_003.2)
    steps = [found[f"{queue}_bucket {shop} le={most}"] for most in ("0.1", "0.25", "2.5", "5.0", "86400.0", "+Inf")]
    assert steps == [0, 1, 1, 2, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_what_was_undone_is_not_counted_and_each_event_is(kept: None) -> None:
    with undone():
        events.record("key.created")
    events.record("freeze.made")
    eventually(lambda: told().get("deployer_events_total kind=freeze.made") == 1, what="An event is counted")
    assert "deployer_events_total kind=key.created" not in told()


@pytest.mark.django_db(transaction=True)
def test_a_process_that_says_nothing_any_more_is_not_told_of(kept: None, valkey: str) -> None:
    client = redis.Redis.from_url(valkey)
    client.hset(totals.GAUGES, "web-1", '[1000, {"[\\"web.pages\\", \\"\\", \\"web-1\\"]": 3}]')
    assert not [name for name in told() if name.startswith("deployer_web_pages")]
    assert client.hgetall(totals.GAUGES) == {}
    client.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("networks", "header", "address", "status"),
    [
        ([], f"Bearer {TOKEN}", "192.0.2.1", 200),
        ([], f"bearer {TOKEN}", "192.0.2.1", 200),
        ([], f"Bearer {TOKEN}x", "192.0.2.1", 401),
        ([], f"Basic {TOKEN}", "192.0.2.1", 401),
        ([], "Bearer ", "192.0.2.1", 401),
        ([], "", "192.0.2.1", 401),
        (["192.0.2.0/24"], "", "192.0.2.1", 200),
        (["192.0.2.0/24"], "Bearer wrong", "192.0.2.1", 401),
        (["192.0.2.0/24"], "", "198.51.100.1", 401),
        (["192.0.2.0/24"], "", "", 401),
    ],
)
def test_only_those_with_the_token_or_from_the_network_are_told(
    networks: list[str], header: str, address: str, status: int, kept: None, settings: Settings
) -> None:
    settings.METRICS_NETWORKS = [ip_network(text) for text in networks]
    more: dict[str, Any] = {"headers": {"Authorization": header}} if header else {}
    answer = Client().get("/metrics", REMOTE_ADDR=address, **more)
    assert answer.status_code == status
    assert (b"deployer_" in answer.content) is (status == 200)
    assert answer.headers.get("WWW-Authenticate") == (None if status == 200 else 'Bearer realm="metrics"')


@pytest.mark.django_db(transaction=True)
def test_an_empty_token_is_no_token(kept: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_where_nobody_was_given_metrics_it_says_what_to_set(settings: Settings) -> None:
    settings.METRICS = False
    answer = Client().get("/metrics")
    assert (answer.status_code, b"METRICS_TOKEN" in answer.content) == (404, True)


@pytest.mark.django_db(transaction=True)
def test_without_redis_it_says_so(kept: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, b"Redis does not answer" in answer.content) == (503, True)


@pytest.mark.django_db(transaction=True)
def test_a_name_that_is_not_found_for_minutes_keeps_nobody_waiting(
    sender: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever counts goes on while the look-up of the server hangs; what does not fit is left out, and that is told."""
    most = 50  # the kernel keeps no more for who listens
    monkeypatch.setattr(sending, "MOST_WAITING", most)
    looked, answer = threading.Event(), threading.Event()
    real, heard = socket.getaddrinfo, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("127.0.0.1", 0))
    heard.settimeout(90)

    def hang(*words: Any, **more: Any) -> Any:
        looked.set()
        assert answer.wait(90)
        return real("127.0.0.1", *words[1:], **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    settings.STATSD, settings.STATSD_PREFIX = ("statsd.nowhere.example", heard.getsockname()[1]), "deployer"
    metrics.count("events", kind="first")
    assert looked.wait(90)
    for _ in range(most + 7):
        metrics.count("events", kind="more")
    answer.set()
    text = ""
    with heard:
        while "metrics.lost" not in text:
            text += heard.recv(65_535).decode()
    assert text.startswith("deployer.events.first:1|c")
    assert "deployer.metrics.lost:7|c" in text
