"""Which worker gets which hosts: by the region's queue, and the same hosts to the same worker as long as it lives."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from deployments.models import HostRun
from environments.models import Region

Hosts = Mapping[int, str]  # names by host run


def by_queue(run_ids: Sequence[int]) -> dict[str, dict[int, str]]:
    """The host runs, with their hosts' names, by the queue of their region; "" is that of any worker."""
    queues = queue_of_region()
    wanted = set(run_ids)
    deploys = HostRun.objects.filter(pk__in=run_ids[:1]).values("deploy")
    found: dict[str, dict[int, str]] = {}
    for pk, host, region in HostRun.objects.filter(deploy__in=deploys).values_list("pk", "host_name", "region"):
        if pk in wanted:
            found.setdefault(queues.get(region, ""), {})[pk] = host
    return found


def queue_of_region() -> dict[str, str]:
    """Of those regions that have one."""
    return dict(Region.objects.exclude(queue="").values_list("name", "queue"))


def share(hosts: Hosts, workers: Sequence[str]) -> dict[str, list[int]]:
    """Each host to the worker that it likes best and that has room left: equal shares, and the same ones each time.

    Nobody keeps a table of it: whoever asks with the same names gets the same answer, and when a worker goes, only its
    hosts move, but for the few that equal shares demand.
    """
    room = {worker: -(-len(hosts) // len(workers)) for worker in workers}
    shares: dict[str, list[int]] = {worker: [] for worker in workers}
    for run_id, host in sorted(hosts.items(), key=lambda item: item[1]):
        best = max(workers, key=lambda worker: (room[worker] > 0, _liking(worker, host)))
        room[best] -= 1
        shares[best].append(run_id)
    return {worker: ids for worker, ids in shares.items() if ids}


def switcher(target_id: int, workers: Sequence[str]) -> str:
    """The worker that switches all hosts of a target, and so keeps connections to all of them."""
    return favourite(workers, f"target {target_id}")


def favourite(workers: Sequence[str], name: str) -> str:
    """The one that `name` likes best."""
    return max(workers, key=lambda worker: _liking(worker, name))


def _liking(worker: str, name: str) -> bytes:
    """Rendezvous hashing: every pair has a score of its own."""
    return blake2b(f"{worker} {name}".encode(), digest_size=8).digest()
