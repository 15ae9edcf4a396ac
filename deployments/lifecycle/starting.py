"""How a deploy that waited starts."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from deployments import blockers, live, log, recipes
from deployments.build_presence import WORKER_SECONDS
from deployments.lifecycle.beginning import headline, is_dropped, is_held
from deployments.lifecycle.ending import end, end_waiting
from deployments.lifecycle.holding import hold, started
from deployments.lifecycle.moves import lock, move, record
from deployments.lifecycle.queue import next_waiting
from deployments.models import Deploy, Kind, Standing
from deployments.states import DeployStatus
from environments import access

S = DeployStatus


def start_waiting(deploy: Deploy) -> bool:
    """Start a waiting deploy if nothing blocks it any more; whether it started."""
    found = blockers.of_deploy(deploy)
    if is_held(found, deploy.kind, deploy.asker[1]):
        return _hold(deploy)
    if is_dropped(found, deploy.target, deploy.kind, deploy.asker[1]):
        return _drop(deploy)
    if found:
        return False
    if deploy.kind == Kind.DEPLOY:
        missing = blockers.of_revision(deploy.target, deploy.revision, patient=True, seconds=WORKER_SECONDS)
        if missing:
            _wait_for_build(deploy, missing[0])
            return False
    with transaction.atomic():
        lock(deploy.target)
        if blockers.of_deploy(deploy) or next_waiting(deploy.target) != deploy:
            return False
        if deploy.by is not None and not access.allows(deploy.by, access.DEPLOY, deploy.target):
            end(deploy, S.FAILED, f"{deploy.by_name} may no longer deploy {deploy.target.slug}.")
            return False
        if other := _other_than_its_own(deploy):
            text = (
                f"#{other.number} has gone live since, and this would take it back. Ask for its configuration instead."
            )
            end(deploy, S.CANCELLED, text)
            return False
        if not _still_has_hosts(deploy):
            end(deploy, S.CANCELLED, "Every host that it was for has been set aside since.")
            return False
        if not move(deploy, S.RUNNING, started_at=timezone.now()):
            return False
        record(deploy, "deploy.started", by=deploy.by)
        started(deploy)
        log.say(deploy, headline(deploy))
    return True


def _other_than_its_own(deploy: Deploy) -> Deploy | None:
    """What is live instead of that whose configuration was asked for: it would take the target back unasked."""
    if deploy.kind != Kind.CONFIGURATION:
        return None
    standing = Standing.objects.filter(target=deploy.target).select_related("live").first()
    now = standing.live if standing else None
    return now if now is not None and now.revision != deploy.revision else None


def _wait_for_build(deploy: Deploy, missing: blockers.Blocker) -> None:
    """It is its turn, and its build is not there. It has some time; then it ends, for others wait behind it."""
    with transaction.atomic():
        lock(deploy.target)
        limit = timedelta(minutes=settings.ARTIFACT_WAIT_MINUTES)
        waits = Deploy.objects.filter(pk=deploy.pk, status=S.WAITING)
        if waits.filter(build_missing_since=None).update(build_missing_since=Now()):
            log.say(deploy, f"{missing.text} It is waited for {settings.ARTIFACT_WAIT_MINUTES} minutes at most.")
            transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))
        elif waits.filter(build_missing_since__lte=Now() - limit).exists():
            told = f"Its build has not come within {settings.ARTIFACT_WAIT_MINUTES} minutes, so those behind it go on."
            end(deploy, S.FAILED, f"{told} {missing.text}")


def _hold(deploy: Deploy) -> bool:
    """A machine's deploy met a lock while it waited for something else; it did not start."""
    with transaction.atomic():
        lock(deploy.target)
        met = [it.lock for it in blockers.of_deploy(deploy) if it.lock]
        if met:
            hold(deploy, met[0])
    return False


def _drop(deploy: Deploy) -> bool:
    """A machine's deploy waited for something else, and its turn comes at a closed time; it did not start."""
    with transaction.atomic():
        lock(deploy.target)
        found = blockers.of_deploy(deploy)
        if is_dropped(found, deploy.target, deploy.kind, deploy.asker[1]):
            end_waiting(deploy, f"Not taken: {' '.join(it.sentence for it in found if it.closes)}", by=None)
    return False


def _still_has_hosts(deploy: Deploy) -> bool:
    """Leave out hosts that were set aside while it waited; whether any is left.

    None of a deploy that takes an endpoint away: what lies on them would be forgotten there.
    """
    if recipes.takes_away(deploy):
        return True
    away = list(deploy.runs.exclude(host__aside="").exclude(host=None).select_related("host"))
    if not away:
        return True
    deploy.runs.filter(pk__in=[run.pk for run in away]).delete()
    hosts = [run.host for run in away if run.host]
    log.say(deploy, f"Left out: {blockers.tell_left_out(hosts)}.")
    left = deploy.runs.count()
    Deploy.objects.filter(pk=deploy.pk).update(plan=deploy.plan | {"waves": [{"hosts": left}]})
    return left > 0
