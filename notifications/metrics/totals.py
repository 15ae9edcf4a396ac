"""What Prometheus asks for: totals of all processes of all machines, kept in the Valkey that carries their messages.

When it loses them they begin at zero again, as counters of a process that was started anew do; Prometheus knows that.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications.metrics.names import Kind
from notifications.metrics.samples import Sample

TOTALS, GAUGES = "deployer:metrics", "deployer:gauges"
ANSWER_SECONDS = 1.0
FRESH_SECONDS = 60.0  # a process that has said nothing for so long is gone
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)
BEYOND = "+Inf"

Key = tuple[str, tuple[str, ...]]  # a metric's name, the values of its labels


@dataclass(frozen=True)
class Timing:
    """`buckets` are not cumulated: how many took longer than the bucket before and at most this one."""

    count: float
    seconds: float
    buckets: Mapping[str, float]


@dataclass(frozen=True)
class Totals:
    counters: Mapping[Key, float]
    timings: Mapping[Key, Timing]
    gauges: Mapping[Key, float]


def bucket_of(seconds: float) -> str:
    return next((str(bucket) for bucket in BUCKETS if seconds <= bucket), BEYOND)


def add(samples: Iterable[Sample], process: str) -> None:
    """Add counts and times to the totals, and say the gauges of this process anew. Raises redis.RedisError."""
    sums: defaultdict[str, float] = defaultdict(float)
    gauges: dict[str, float] = {}
    for sample in samples:
        if sample.kind is Kind.GAUGE:
            gauges[_field(sample)] = sample.value
        elif sample.kind is Kind.COUNTER:
            sums[_field(sample)] += sample.value
        else:
            sums[_field(sample, "seconds")] += sample.value
            sums[_field(sample, bucket_of(sample.value))] += 1
    with _client() as client, client.pipeline(transaction=False) as orders:
        for field, value in sums.items():
            orders.hincrbyfloat(TOTALS, field, value)
        if gauges:
            orders.hset(GAUGES, process, json.dumps([time.time(), gauges]))
        orders.execute()


def read() -> Totals:
    """All of it. Raises redis.RedisError."""
    with _client() as client:
        rows = client.hgetall(TOTALS)
        said = client.hgetall(GAUGES)
        gauges = _fresh(said)
        if old := [process for process in said if process not in gauges]:
            client.hdel(GAUGES, *old)
    counters, parts = _split(rows)
    timings = {key: _timing(values) for key, values in parts.items()}
    return Totals(counters, timings, {_key(text)[0]: value for one in gauges.values() for text, value in one.items()})


def _split(rows: Mapping[str, str]) -> tuple[dict[Key, float], dict[Key, dict[str, float]]]:
    counters: dict[Key, float] = {}
    parts: defaultdict[Key, dict[str, float]] = defaultdict(dict)
    for field, text in rows.items():
        key, part = _key(field)
        if part:
            parts[key][part] = float(text)
        else:
            counters[key] = float(text)
    return counters, parts


def _timing(parts: dict[str, float]) -> Timing:
    seconds = parts.pop("seconds", 0.0)
    return Timing(sum(parts.values()), seconds, parts)


def _fresh(said: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """What living processes say, in the order in which they said it: of what several tell the last word counts."""
    found = sorted(((json.loads(text), process) for process, text in said.items()), key=lambda row: row[0][0])
    return {process: gauges for (at, gauges), process in found if time.time() - at < FRESH_SECONDS}


def _field(sample: Sample, part: str = "") -> str:
    return json.dumps([sample.name, part, *sample.labels])


def _key(field: str) -> tuple[Key, str]:
    name, part, *labels = json.loads(field)
    return (name, tuple(labels)), part


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
