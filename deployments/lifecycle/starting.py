"""How a deploy that waited starts."""

from django.db import transaction
from django.utils import timezone

from deployments import blockers, log
from deployments.build_presence import WORKER_SECONDS
from deployments.lifecycle.beginning import headline
from deployments.lifecycle.ending import end
from deployments.lifecycle.moves import lock, move, record
from deployments.lifecycle.queue import next_waiting
from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments import access

S = DeployStatus


def start_waiting(deploy: Deploy) -> bool:
    """Start a waiting deploy if nothing blocks it any more; whether it started."""
    if blockers.blockers(deploy.target, kind=deploy.kind):
        return False
    if deploy.kind == Kind.DEPLOY and blockers.of_revision(
        deploy.target, deploy.revision, patient=True, seconds=WORKER_SECONDS
    ):
        return False
    with transaction.atomic():
        lock(deploy.target)
        if blockers.blockers(deploy.target, kind=deploy.kind) or next_waiting(deploy.target) != deploy:
            return False
        if deploy.by is not None and not access.allows(deploy.by, access.DEPLOY, deploy.target):
            end(deploy, S.FAILED, f"{deploy.by_name} may no longer deploy {deploy.target.slug}.")
            return False
        if not move(deploy, S.RUNNING, started_at=timezone.now()):
            return False
        record(deploy, "deploy.started", by=deploy.by)
        log.say(deploy, headline(deploy))
    return True
