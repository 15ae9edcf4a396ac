"""`GET /metrics`, for Prometheus: only with the token, or from a network that is allowed."""

import ipaddress
import secrets
from collections.abc import Iterator, Mapping

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from environments.access import ANYONE, needs
from notifications.metrics import METRICS, Kind
from notifications.metrics.totals import BEYOND, BUCKETS, Key, Timing, Totals, read

PREFIX = "deployer_"
_PLAIN = "text/plain; charset=utf-8"


@needs(ANYONE)
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """200 with all metrics; 401 without the right to them; 404 while nobody has been given any; 503 without Redis."""
    if not settings.METRICS:
        text = "Metrics are off here. Set METRICS_TOKEN or METRICS_NETWORKS; docs/metrics.md tells how.\n"
        return HttpResponse(text, status=404, content_type=_PLAIN)
    if not may_read(request):
        answer = HttpResponse(
            "Metrics are for those who send METRICS_TOKEN as a bearer token, or come from METRICS_NETWORKS.\n",
            status=401,
            content_type=_PLAIN,
        )
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer
    try:
        totals = read()
    except redis.RedisError as error:
        text = f"The totals cannot be read: Redis does not answer ({error}). Start it, and check REDIS_URL.\n"
        return HttpResponse(text, status=503, content_type=_PLAIN)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(totals))
    answer = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    answer["Cache-Control"] = "no-store"
    return answer


def may_read(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return secrets.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in settings.METRICS_NETWORKS)


class _Told(Collector):
    """The totals as Prometheus's own library writes them."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        for metric in METRICS.values():
            name = PREFIX + metric.name.replace(".", "_")
            if metric.kind is Kind.COUNTER:
                counter = CounterMetricFamily(name, metric.about, labels=metric.labels)
                for labels, value in _of(metric.name, self._totals.counters):
                    counter.add_metric(labels, value)
                yield counter
            elif metric.kind is Kind.GAUGE:
                gauge = GaugeMetricFamily(name, metric.about, labels=metric.labels)
                for labels, value in _of(metric.name, self._totals.gauges):
                    gauge.add_metric(labels, value)
                yield gauge
            else:
                yield self._histogram(metric.name, f"{name}_seconds", metric.about, metric.labels)

    def _histogram(self, name: str, told: str, about: str, labels: tuple[str, ...]) -> Metric:
        histogram = HistogramMetricFamily(told, about, labels=labels)
        for (found, values), timing in sorted(self._totals.timings.items()):
            if found == name:
                histogram.add_metric(values, buckets=_cumulated(timing), sum_value=timing.seconds)
        return histogram


def _of(name: str, found: Mapping[Key, float]) -> Iterator[tuple[tuple[str, ...], float]]:
    return ((labels, value) for (known, labels), value in sorted(found.items()) if known == name)


def _cumulated(timing: Timing) -> list[tuple[str, float]]:
    """How many took at most so long, as Prometheus counts."""
    most, found = 0.0, []
    for bucket in (*map(str, BUCKETS), BEYOND):
        most += timing.buckets.get(bucket, 0.0)
        found.append((bucket, most))
    return found
