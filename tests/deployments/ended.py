"""Deploys that are over, without a host: what the verbs find afterwards is written as if it had happened."""

from typing import Any

from deployments import lifecycle
from deployments.models import Deploy, HeldRelease, HostRun, Placement, Release
from environments.models import Target
from notifications.models import Event
from tests.deployments.fleet import FleetTarget


def request(place: FleetTarget, ref: str = "main", **more: Any) -> Deploy:
    return lifecycle.request_deploy(target=place.target, ref=ref, by=place.by, **more)


def end(deploy: Deploy, status: str = "succeeded", live: int = 3) -> Deploy:
    """End a deploy as if `live` of its hosts had gone live, and hold the release there."""
    for n, run in enumerate(deploy.runs.all()):
        HostRun.objects.filter(pk=run.pk).update(status="live" if n < live else "failed")
        if n < live:
            put, _ = Placement.objects.update_or_create(
                host=run.host, target=deploy.target, defaults={"current": deploy.release}
            )
            HeldRelease.objects.get_or_create(placement=put, release=deploy.release)
    assert lifecycle.end(deploy, status, "Over.")
    return deploy


def errors(deploy: Deploy) -> dict[str, str]:
    return {run.host_name: run.error for run in deploy.runs.all() if run.error}


def statuses(deploy: Deploy) -> list[str]:
    return [run.status for run in deploy.runs.all()]


def counts() -> list[int]:
    numbers = list(Target.objects.order_by("pk").values_list("last_number", flat=True))
    return [Deploy.objects.count(), Release.objects.count(), HostRun.objects.count(), Event.objects.count(), *numbers]
