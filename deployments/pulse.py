"""Has anything changed that pages show? One small look at the database, for when no word comes."""

from django.db.models import Count, Max

from deployments.models import Deploy, HostRun, Standing
from deployments.states import ACTIVE, DeployStatus
from notifications.models import Event

Pulse = tuple[object, ...]


def read_pulse() -> Pulse:
    """Differs from an earlier one when something changed in between. Four queries, whatever the history."""
    opened = Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).order_by("id")
    deploys = tuple(opened.values_list("id", "status", "held", "prepared_at", "flip_at"))
    runs = HostRun.objects.filter(deploy_id__in=[row[0] for row in deploys if row[1] != DeployStatus.WAITING])
    counted = runs.order_by("deploy_id", "status", "step").values_list("deploy_id", "status", "step")
    return (
        Event.objects.aggregate(last=Max("id"))["last"],
        deploys,
        tuple(counted.annotate(number=Count("id"))),
        Standing.objects.aggregate(last=Max("looked_at"))["last"],
    )
