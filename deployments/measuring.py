"""What a deploy is measured by when it has ended; the names are notifications.metrics' own."""

from django.db.models import Count, Max, Min

from deployments.models import Deploy, HostRun, Program
from notifications import metrics


def tell_end(deploy: Deploy) -> None:
    """A deploy has ended: it is read anew. In its transaction."""
    if not metrics.wanted():
        return
    ended = Deploy.objects.select_related("target__application", "target__environment").get(pk=deploy.pk)
    place = _place(ended)
    metrics.count("deploys", **place, trigger=ended.trigger, outcome=ended.status)
    metrics.count("log.lines", ended.lines, **place)
    if ended.started_at and ended.finished_at:
        metrics.timing("deploy.queue_time", (ended.started_at - ended.requested_at).total_seconds(), **place)
        seconds = (ended.finished_at - ended.started_at).total_seconds()
        metrics.timing("deploy.time", seconds, **place, outcome=ended.status)
    runs = HostRun.objects.filter(deploy=ended).order_by().values_list("status")
    for status, number in runs.annotate(number=Count("id")):
        metrics.count("deploy.hosts", number, **place, outcome=status)
    phases = Program.objects.filter(run__deploy=ended, ended_at__isnull=False).order_by().values_list("phase")
    for phase, began, over in phases.annotate(began=Min("started_at"), over=Max("ended_at")):
        metrics.timing("deploy.phase_time", (over - began).total_seconds(), **place, phase=phase)


def _place(deploy: Deploy) -> dict[str, str]:
    return {"application": deploy.target.application.name, "environment": deploy.target.environment.name}
