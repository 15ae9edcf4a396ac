"""How a deploy ends: cancelled, held, or by what became of its hosts."""

from contextlib import suppress

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from deployments import log, measuring, recipes, releases
from deployments.doorbell import ring
from deployments.lifecycle.moves import lock, move, record
from deployments.lifecycle.queue import next_waiting
from deployments.models import Deploy, HostRun, Standing
from deployments.refusals import (
    NothingToCancel,
)
from deployments.states import ACTIVE, DEPLOY_MOVES, RUN_OPEN, DeployStatus, RunStatus, sources
from environments import access, endpoints, locks, windows
from environments.models import Target, User

S = DeployStatus
WENT_WRONG = (S.FAILED, S.PARTIAL, S.NEEDS_ATTENTION)


def request_cancel(deploy: Deploy, *, by: User | None) -> None:
    """Stop a deploy; it is final within 30 s. Asking twice is harmless. Raises NothingToCancel, NotAllowed."""
    access.require(by, access.DEPLOY, deploy.target)
    name = by.full_name if by else "the Deployer"
    with transaction.atomic():
        # the target's row before the deploy's, as everywhere: otherwise PostgreSQL finds a deadlock with `end`,
        # for a row that is updated twice in a transaction (status, lines) has its foreign keys locked again
        lock(deploy.target)
        if Deploy.objects.filter(pk=deploy.pk, status=S.WAITING).exists():
            end_waiting(deploy, f"Cancelled by {name} while it waited.", by=by)
        elif move(deploy, S.CANCELLING, cancelled_at=Now()):
            record(deploy, "deploy.cancelling", by=by)
            log.say(deploy, f"{name} cancels this deploy.")
        elif not Deploy.objects.filter(pk=deploy.pk, status=S.CANCELLING).exists():
            raise NothingToCancel(f"#{deploy.number} is over already; there is nothing to cancel.")
        transaction.on_commit(lambda: ring(deploy.pk))


def end_waiting(deploy: Deploy, reason: str, *, by: User | None) -> None:
    """Cancel one that has not begun. In a transaction that holds the target."""
    HostRun.objects.filter(deploy=deploy).update(status=RunStatus.CANCELLED)
    end(deploy, S.CANCELLED, reason, by=by)


def end(deploy: Deploy, status: str, reason: str, *, by: User | None = None) -> bool:
    """Write the final state, with the log's count and digest; whether it was this call that did.

    `by` is who ended it, if not the one who requested it.
    """
    with transaction.atomic():
        lock(deploy.target)
        if not Deploy.objects.filter(pk=deploy.pk, status__in=sources(DEPLOY_MOVES, status)).exists():
            return False
        log.say(deploy, reason)
        lines, sha256 = log.digest(deploy.pk)
        moved = move(deploy, status, reason=reason, finished_at=timezone.now(), lines=lines, log_sha256=sha256)
        HostRun.objects.filter(deploy=deploy, status__in=RUN_OPEN).update(status=RunStatus.SKIPPED, claimed_by=None)
        releases.judge(deploy, status)
        if status == S.SUCCEEDED and recipes.takes_away(deploy):
            _forget(deploy.target)
        Standing.objects.filter(target=deploy.target).update(looked_at=None)  # what hosts run now is asked soon
        record(deploy, f"deploy.{status}", by=by or deploy.by, reason=reason, **_counted(deploy, status))
        measuring.tell_end(deploy)
        _close_to_machines(deploy, status, reason)
        following = next_waiting(deploy.target)
        if following:
            transaction.on_commit(lambda: ring(following.pk))
    return moved


def _counted(deploy: Deploy, status: str) -> dict[str, int]:
    """On how many hosts it is live, of how many; told where that is not all or none."""
    if status != S.PARTIAL:
        return {}
    live = Count("pk", filter=Q(status=RunStatus.LIVE))
    return HostRun.objects.filter(deploy=deploy).aggregate(live=live, hosts=Count("pk"))


def _forget(target: Target) -> None:
    """Nothing of an endpoint is left on hosts: one that is made under its name begins anew, but for its history."""
    releases.forget_target(target)
    endpoints.write_gone(target.endpoint)
    locks.leave(target)
    for freeze in windows.to_come().filter(target=target):
        with suppress(windows.FreezeOver):
            windows.lift(freeze, by=None)


def _close_to_machines(deploy: Deploy, status: str, reason: str) -> None:
    """After an automatic deploy to a protected target went wrong no other follows, until a person has looked."""
    target = deploy.target
    if status in WENT_WRONG and deploy.automatic and deploy.started_at and target.environment.protected:
        cause = f"#{deploy.number}, which was automatic, ended {status.replace('_', ' ')}: {reason}"
        locks.close_to_machines(locks.of_target(target), reason=cause)


def hold_all(reason: str) -> int:
    """Let no deploy go on by itself, as after a restore: each waits for a person. Returns how many were held."""
    held = 0
    for deploy in Deploy.objects.filter(status__in=(S.WAITING, *ACTIVE)).select_related("target"):
        held += end(deploy, S.NEEDS_ATTENTION, reason)
    return held
