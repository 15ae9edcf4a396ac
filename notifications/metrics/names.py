"""Which metrics there are. docs/metrics.md tells people of each; a test holds that it does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class Kind(Enum):
    COUNTER = "counter"
    TIMER = "timer"
    GAUGE = "gauge"


class UndeclaredMetric(ValueError):
    """A metric or a label that is not declared below: a mistake in our own code."""


@dataclass(frozen=True)
class Metric:
    """`about` is one sentence for people; timers are seconds here, milliseconds in StatsD."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    about: str


_TARGET = ("application", "environment")

METRICS = {
    metric.name: metric
    for metric in (
        Metric("deploys", Kind.COUNTER, (*_TARGET, "trigger", "outcome"), "Deploys that ended."),
        Metric("deploy.time", Kind.TIMER, (*_TARGET, "outcome"), "From the start of a deploy to its end."),
        Metric("deploy.queue_time", Kind.TIMER, _TARGET, "From the request for a deploy to its start."),
        Metric("deploy.phase_time", Kind.TIMER, (*_TARGET, "phase"), "How long a phase of a deploy took on all hosts."),
        Metric("deploy.hosts", Kind.COUNTER, (*_TARGET, "outcome"), "Hosts of deploys that ended, by what became."),
        Metric("log.lines", Kind.COUNTER, _TARGET, "Lines in the logs of deploys that ended."),
        Metric(
            "hooks", Kind.COUNTER, ("application", "kind", "decision"), "Hooks that came in, by what became of them."
        ),
        Metric("deliveries", Kind.COUNTER, ("kind", "outcome"), "Tries to announce something, by kind of channel."),
        Metric("lock.time", Kind.TIMER, ("environment", "how"), "How long a lock was held that has ended."),
        Metric("events", Kind.COUNTER, ("kind",), "Events by their kind: locks, overrides, refusals, and all others."),
        Metric("workers", Kind.GAUGE, ("state",), "Workers that are alive, and those of them that hear no messages."),
        Metric("open_deploys", Kind.GAUGE, ("state",), "Deploys that wait, are held by a lock, or are under way."),
        Metric("oldest_wait", Kind.GAUGE, (), "Seconds that the deploy has waited which has waited longest."),
        Metric("locks", Kind.GAUGE, ("kind",), "Locks and warnings that are held now."),
        Metric("hosts", Kind.GAUGE, ("state",), "Hosts in use, drained, in quarantine."),
        Metric("web.pages", Kind.GAUGE, ("process",), "Pages that are open at a web process."),
        Metric("web.memory", Kind.GAUGE, ("process",), "Bytes of memory that a web process has used at most."),
        Metric("worker.busy", Kind.GAUGE, ("process",), "Hosts that a worker is at work on."),
        Metric("worker.waiting", Kind.GAUGE, ("process",), "Hosts for which a worker has no room yet."),
        Metric("worker.memory", Kind.GAUGE, ("process",), "Bytes of memory that a worker has used at most."),
        Metric("metrics.lost", Kind.COUNTER, (), "Metrics left out: they came faster than they could be sent."),
    )
}


def check(name: str, kind: Kind, labels: Mapping[str, object]) -> tuple[str, ...]:
    """The values of the labels in the order that is declared. Raises UndeclaredMetric."""
    metric = METRICS.get(name)
    if metric is None or metric.kind is not kind or set(labels) != set(metric.labels):
        told = f"{name!r} as a {kind.value} with {', '.join(labels) or 'no labels'}"
        raise UndeclaredMetric(f"{told} is not declared; add it to notifications.metrics.names.METRICS.")
    return tuple(str(labels[label]) for label in metric.labels)


def dotted(name: str, values: tuple[str, ...]) -> str:
    """As StatsD and Graphite name it: `deploys.shop.staging.page.succeeded`. A value's own dots would make levels."""
    return ".".join((name, *(_NOT_IN_A_NAME.sub("_", value) or "none" for value in values)))
