"""What web processes and workers say of themselves and of the whole installation, every few seconds."""

import resource
import sys
from collections.abc import Iterator

from django.db.models import Count, Min, Q
from django.utils import timezone

from deployments import claims, page_words
from deployments.errands import Errands
from deployments.models import Deploy
from deployments.states import ACTIVE, DeployStatus
from environments import locks
from environments.models import Host
from notifications import metrics

Gauge = tuple[str, dict[str, object], float]


def of_web() -> Iterator[Gauge]:
    """What a web process says: of itself, and of the whole installation, which also holds when no worker lives."""
    process = metrics.process_name()
    yield "web.pages", {"process": process}, page_words.count_open()
    yield "web.memory", {"process": process}, _memory()
    yield from _of_installation()


def of_worker(pool: Errands) -> Iterator[Gauge]:
    process = metrics.process_name()
    busy, waiting = pool.load()
    yield "worker.busy", {"process": process}, busy
    yield "worker.waiting", {"process": process}, waiting
    yield "worker.memory", {"process": process}, _memory()


def _of_installation() -> Iterator[Gauge]:
    deaf = claims.deaf_workers().count()
    yield "workers", {"state": "alive"}, claims.live_workers().count()
    yield "workers", {"state": "deaf"}, deaf
    waits = Q(status=DeployStatus.WAITING)
    opened = Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).aggregate(
        waiting=Count("id", filter=waits & Q(met_lock=None)),
        held=Count("id", filter=waits & Q(met_lock__isnull=False)),
        active=Count("id", filter=~waits),
        oldest=Min("requested_at", filter=waits & Q(met_lock=None)),
    )
    for state in ("waiting", "held", "active"):
        yield "open_deploys", {"state": state}, opened[state]
    oldest = opened["oldest"]
    yield "oldest_wait", {}, max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0
    kinds = dict(locks.held().order_by().values_list("kind").annotate(number=Count("id")))
    for kind in ("lock", "warning"):
        yield "locks", {"kind": kind}, kinds.get(kind, 0)
    asides = dict(Host.objects.order_by().values_list("aside").annotate(number=Count("id")))
    for state, number in {"in use": asides.pop("", 0), **asides}.items():
        yield "hosts", {"state": str(state)}, number


def _memory() -> int:
    """Bytes. Linux counts in kilobytes, macOS in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
