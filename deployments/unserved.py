"""Hosts that wait for a worker of their region's queue: said in the log once, and on the page as long as it is so."""

from django.db import transaction

from deployments import claims, log, sharing
from deployments.models import Deploy, HostRun, LogChunk
from deployments.models.logs import Stream
from deployments.states import RUN_OPEN


def sentence(queue: str) -> str:
    """Why nothing happens on the hosts of this queue."""
    if not queue:
        return "No worker serves the regions without a queue. Start one; their hosts wait for it."
    return f"No worker serves queue {queue}. Start one with WORKER_QUEUE={queue}; the hosts of its regions wait for it."


def tell(deploy_id: int, queue: str) -> None:
    """Say it in the log, unless it says so already."""
    text = sentence(queue)
    with transaction.atomic():
        deploy = Deploy.objects.select_for_update(no_key=True).get(pk=deploy_id)
        said = LogChunk.objects.filter(deploy=deploy, stream=Stream.DEPLOYER, host_name="", text=text)
        if not said.exists():
            log.say(deploy, text)


def sentences(deploy: Deploy) -> list[str]:
    """What hosts of a deploy wait for. One query where no region has a queue."""
    queues = sharing.queue_of_region()
    if not queues:
        return []
    regions = HostRun.objects.filter(deploy=deploy, status__in=RUN_OPEN).values_list("region", flat=True).distinct()
    needed = {queues.get(region, "") for region in regions.order_by("region")}
    served = set(claims.live_workers().values_list("queue", flat=True))
    return [sentence(queue) for queue in sorted(needed - served)]
