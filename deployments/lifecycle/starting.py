"""How a deploy that waited starts."""

from django.db import transaction
from django.utils import timezone

from deployments import blockers, log
from deployments.build_presence import WORKER_SECONDS
from deployments.lifecycle.beginning import headline, is_held
from deployments.lifecycle.ending import end
from deployments.lifecycle.holding import hold
from deployments.lifecycle.moves import lock, move, record
from deployments.lifecycle.queue import next_waiting
from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments import access

S = DeployStatus


def start_waiting(deploy: Deploy) -> bool:
    """Start a waiting deploy if nothing blocks it any more; whether it started."""
    found = blockers.of_deploy(deploy)
    if is_held(found, deploy.kind, deploy.asker[1]):
        return _hold(deploy)
    if found:
        return False
    if deploy.kind == Kind.DEPLOY and blockers.of_revision(
        deploy.target, deploy.revision, patient=True, seconds=WORKER_SECONDS
    ):
        return False
    with transaction.atomic():
        lock(deploy.target)
        if blockers.of_deploy(deploy) or next_waiting(deploy.target) != deploy:
            return False
        if deploy.by is not None and not access.allows(deploy.by, access.DEPLOY, deploy.target):
            end(deploy, S.FAILED, f"{deploy.by_name} may no longer deploy {deploy.target.slug}.")
            return False
        if not _still_has_hosts(deploy):
            end(deploy, S.CANCELLED, "Every host that it was for has been set aside since.")
            return False
        if not move(deploy, S.RUNNING, started_at=timezone.now()):
            return False
        record(deploy, "deploy.started", by=deploy.by)
        log.say(deploy, headline(deploy))
    return True


def _hold(deploy: Deploy) -> bool:
    """A machine's deploy met a lock while it waited for something else; it did not start."""
    with transaction.atomic():
        lock(deploy.target)
        met = [it.lock for it in blockers.of_deploy(deploy) if it.lock]
        if met:
            hold(deploy, met[0])
    return False


def _still_has_hosts(deploy: Deploy) -> bool:
    """Leave out hosts that were set aside while it waited; whether any is left."""
    away = list(deploy.runs.exclude(host__aside="").exclude(host=None).select_related("host"))
    if not away:
        return True
    deploy.runs.filter(pk__in=[run.pk for run in away]).delete()
    hosts = [run.host for run in away if run.host]
    log.say(deploy, f"Left out: {blockers.tell_left_out(hosts)}.")
    left = deploy.runs.count()
    Deploy.objects.filter(pk=deploy.pk).update(plan=deploy.plan | {"waves": [{"hosts": left}]})
    return left > 0
