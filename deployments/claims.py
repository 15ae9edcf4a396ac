"""Who works on what: a worker renews one row of its own, and its claims lapse with it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from django.db import connection, transaction
from django.db.models import Exists, Expression, FloatField, Func, Q, QuerySet, Value

from deployments.models import Deploy, HostRun, Worker, bulk
from deployments.models.bulk import ids_of
from deployments.states import RUN_OPEN
from environments.models import Host, HostKey, Target, Zone

RENEW_SECONDS = 2.0
LAPSE_SECONDS = 8.0
DEAF_SECONDS = 40.0  # a worker rings itself every 10 s
STATEMENT_IDS = 5000
_DATABASE = "database"
_NOT_ASKED_FOR = ("switched_at", "finished_at")  # of a claimed host run


class ClaimLost(Exception):
    """Another worker has taken this host run, so this one must stop and change nothing."""


def now() -> float:
    """Seconds on the clock that claims are judged by.

    PostgreSQL's clock is one for all workers. SQLite means one machine: its monotonic clock, which no one can set.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            return float(cursor.fetchone()[0])
    return time.monotonic()


def now_in_query() -> Expression:
    """The same within a query, which so needs none before it."""
    if connection.vendor == "postgresql":
        return Func(template="extract(epoch FROM clock_timestamp())::double precision", output_field=FloatField())
    return Value(now(), output_field=FloatField())


def boot() -> str:
    """What `now` counts from; a monotonic clock begins anew with each start of the machine."""
    return _DATABASE if connection.vendor == "postgresql" else _machine_boot()


def _machine_boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    if path.exists():
        return path.read_text().strip()
    said = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def register(queue: str = "", name: str = "") -> Worker:
    """This process's own row. `name` is the one by which messages reach it, without one there are none."""
    full = f"{(name or socket.gethostname())[:190]}:{os.getpid()}"
    return Worker.objects.create(name=full, queue=queue, boot=boot(), renewed_at=now(), heard_at=now())


def renew(worker: Worker) -> bool:
    """Whether the row was still there; without it all claims of this worker are gone."""
    return Worker.objects.filter(pk=worker.pk).update(renewed_at=now()) == 1


def hear(worker_id: int) -> None:
    """A ring that this worker gave itself was heard."""
    Worker.objects.filter(pk=worker_id).update(heard_at=now())


def retire(worker: Worker) -> None:
    """A worker that ends in peace lets go at once."""
    Worker.objects.filter(pk=worker.pk).delete()


def live_workers() -> QuerySet[Worker]:
    return Worker.objects.filter(boot=boot(), renewed_at__gt=now_in_query() - LAPSE_SECONDS)


def deaf_workers() -> QuerySet[Worker]:
    """Alive, and without a word from the broker for too long."""
    return live_workers().filter(heard_at__gt=0, heard_at__lte=now_in_query() - DEAF_SECONDS)


def lapsed_workers() -> QuerySet[Worker]:
    return Worker.objects.filter(~Q(boot=boot()) | Q(renewed_at__lte=now() - LAPSE_SECONDS))


def bury() -> None:
    """Remove rows of workers that have been gone for long; their host runs become free."""
    Worker.objects.filter(~Q(boot=boot()) | Q(renewed_at__lte=now() - 10 * LAPSE_SECONDS)).delete()


def free(runs: QuerySet[HostRun]) -> QuerySet[HostRun]:
    """Those of `runs` that nobody alive works on."""
    return runs.filter(Q(claimed_by=None) | Q(claimed_by__in=lapsed_workers().values("pk")))


def take(worker: Worker, deploy: Deploy, run_ids: Sequence[int]) -> list[HostRun]:
    """Claim those of the host runs that are open and free; what another worker took first is left out of the answer.

    Conditional UPDATEs decide. What is taken together has one fence, the next of its target: no other call gives it to
    anybody, and on each single host it is above all earlier ones.
    """
    with transaction.atomic():
        target = Target.objects.select_for_update(no_key=True).only("fence").get(pk=deploy.target_id)
        fence = target.fence + 1
        # a worker that slept until its row was buried wakes to find nothing, rather than an error at the commit
        known = Exists(Worker.objects.filter(pk=worker.pk))
        wanted = HostRun.objects.filter(known, deploy=deploy, status__in=RUN_OPEN)
        counts = [
            free(wanted.filter(pk__among=set(ids))).update(claimed_by=worker.pk, fence=fence) for ids in pieces(run_ids)
        ]
        if not any(counts):
            return []
        Target.objects.filter(pk=target.pk).update(fence=fence)
    rows = HostRun.objects.filter(deploy=deploy, claimed_by=worker.pk, fence=fence)
    # one deploy for all: what its relations have read is read once
    taken = bulk.read(rows, without=_NOT_ASKED_FOR, deploy=deploy)
    _read_ways(taken)
    return taken


def _read_ways(taken: Sequence[HostRun]) -> None:
    """All that connecting asks for, in three statements: else each host's thread would ask by itself.

    By hand: Django's ways to read relations along make a queryset, or a zone and a region, for each host, and
    setting a relation checks each time what is known here.
    """
    ids = {run.host_id for run in taken if run.host_id is not None}
    zones = {zone.pk: zone for zone in Zone.objects.select_related("region__gateway")}
    gateways = [zone.region.gateway for zone in zones.values() if zone.region.gateway is not None]
    hosts = {host.id: host for host in bulk.read(Host.objects.filter(pk__among=ids).order_by())}
    keys: dict[int, list[HostKey]] = {}
    for key in bulk.read(HostKey.objects.filter(host__among=ids | ids_of(gateways)).order_by()):
        keys.setdefault(key.host_id, []).append(key)
    for host in (*hosts.values(), *gateways):
        host.accepted_keys = keys.get(host.id, [])
        if host.zone_id in zones:
            host._state.fields_cache["zone"] = zones[host.zone_id]
    for run in taken:
        run._state.fields_cache["host"] = hosts.get(run.host_id) if run.host_id is not None else None


def pieces(ids: Sequence[int]) -> list[Sequence[int]]:
    """As many in one statement as every database takes."""
    return [ids[start : start + STATEMENT_IDS] for start in range(0, len(ids), STATEMENT_IDS)]


def held(run: HostRun) -> QuerySet[HostRun]:
    """The row, as long as this claim holds; every write of a worker goes through it."""
    return HostRun.objects.filter(pk=run.pk, claimed_by=run.claimed_by_id, fence=run.fence)


def held_all(runs: Iterable[HostRun]) -> QuerySet[HostRun]:
    """The rows of host runs that were claimed together, as far as that claim holds."""
    claimed = list(runs)
    first = claimed[0]
    return HostRun.objects.filter(pk__among=ids_of(claimed), claimed_by=first.claimed_by_id, fence=first.fence)


def let_go(runs: Iterable[HostRun]) -> None:
    """End those of the claims that still hold."""
    for (worker_id, fence), claimed in by_claim(runs).items():
        for ids in pieces([run.id for run in claimed]):
            HostRun.objects.filter(pk__among=set(ids), claimed_by=worker_id, fence=fence).update(claimed_by=None)


def let_go_but(worker: Worker, kept: Sequence[int]) -> None:
    """End all claims of this worker but those of the host runs `kept`."""
    mine = set(HostRun.objects.filter(claimed_by=worker.pk, status__in=RUN_OPEN).values_list("pk", flat=True))
    for ids in pieces(sorted(mine - set(kept))):
        HostRun.objects.filter(pk__among=set(ids), claimed_by=worker.pk).update(claimed_by=None)


def by_claim(runs: Iterable[HostRun]) -> dict[tuple[int | None, int], list[HostRun]]:
    """Together what was taken together: worker and fence are one condition for all of them."""
    groups: dict[tuple[int | None, int], list[HostRun]] = {}
    for run in runs:
        groups.setdefault((run.claimed_by_id, run.fence), []).append(run)
    return groups
