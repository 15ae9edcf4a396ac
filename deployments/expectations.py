"""When a deploy that runs has ended, by how long the latest ones of its target took."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from django.db.models import F

from deployments.models import Deploy, Kind
from deployments.states import DeployStatus

LOOK_BACK = 20


def expected_end(deploy: Deploy) -> datetime | None:
    """One query; None where nobody can tell."""
    return expected_ends([deploy]).get(deploy.pk)


def expected_ends(running: Iterable[Deploy]) -> dict[int, datetime]:
    """The same for many, by their ids, in one query. Of a target's latest that succeeded half took no longer."""
    # one that rests goes on when somebody says so, and nobody knows when
    begun = [deploy for deploy in running if deploy.started_at is not None and not deploy.held]
    if not begun:
        return {}
    past = Deploy.objects.filter(
        target__in={deploy.target_id for deploy in begun},
        number__gt=F("target__last_number") - LOOK_BACK,
        status=DeployStatus.SUCCEEDED,
        started_at__isnull=False,
        finished_at__isnull=False,
    ).exclude(kind=Kind.TASK)
    seconds: dict[int, list[float]] = {}
    for target, started, finished in past.order_by().values_list("target", "started_at", "finished_at"):
        if started and finished:
            seconds.setdefault(target, []).append((finished - started).total_seconds())
    return {
        deploy.pk: deploy.started_at + timedelta(seconds=median(seconds[deploy.target_id]))
        for deploy in begun
        if deploy.started_at and deploy.target_id in seconds
    }
