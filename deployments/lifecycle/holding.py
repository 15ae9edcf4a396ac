"""Automatic deploys that met a lock: the newest of each target is held until a person says what becomes of it."""

from django.db import transaction
from django.db.models import QuerySet

from deployments import blockers, log
from deployments.doorbell import ring
from deployments.lifecycle.ending import end_waiting
from deployments.lifecycle.moves import lock as lock_target
from deployments.lifecycle.moves import record
from deployments.models import Deploy, Kind
from deployments.refusals import NotHeld
from deployments.states import DeployStatus
from environments import access, locks
from environments.models import Lock, User

S = DeployStatus


def hold(deploy: Deploy, met: Lock) -> None:
    """Keep a waiting automatic deploy until a person says; older ones of its target that were held end.

    In a transaction that holds the target.
    """
    if not Deploy.objects.filter(pk=deploy.pk, status=S.WAITING, met_lock=None).update(met_lock=met):
        return
    deploy.met_lock = met
    reason = f"{locks.tell(met)}."
    record(deploy, "deploy.met_lock", by=deploy.by, reason=reason, lock=met.pk)
    log.say(deploy, f"Held: {reason} Whoever unlocks chooses: deploy it, drop it, or leave it.")
    _replace_held(deploy, "held too")


def started(deploy: Deploy) -> None:
    """A newer deploy by a machine begins: letting an older one go that is held would take it back.

    In a transaction that holds the target.
    """
    if deploy.automatic and deploy.kind == Kind.DEPLOY:
        _replace_held(deploy, "has begun")


def _replace_held(deploy: Deploy, why: str) -> None:
    older = Deploy.objects.filter(target=deploy.target, status=S.WAITING, met_lock__isnull=False)
    for one in older.filter(number__lt=deploy.number).select_related("target__application", "target__environment"):
        end_waiting(one, f"Replaced by #{deploy.number}, which is newer and {why}.", by=None)


def replace_older(deploy: Deploy) -> None:
    """Of automatic deploys that wait for their turn the newest goes. In a transaction that holds the target."""
    older = Deploy.objects.filter(
        target=deploy.target,
        status=S.WAITING,
        met_lock=None,
        let_go_by=None,
        automatic=True,
        kind=Kind.DEPLOY,
        number__lt=deploy.number,
    )
    for one in older.select_related("target__application", "target__environment"):
        end_waiting(one, f"Replaced by #{deploy.number}, which is newer and automatic too.", by=None)


def let_go(deploy: Deploy, *, by: User) -> None:
    """Deploy what was held: it starts as soon as it can. Raises NotHeld, Blocked, NotAllowed."""
    access.require(by, access.DEPLOY, deploy.target)
    with transaction.atomic():
        lock_target(deploy.target)
        standing = blockers.blockers(deploy.target, kind=deploy.kind, by=by)
        others = [it for it in standing if it.kind == "lock"]
        if others:
            raise blockers.Blocked(deploy.target, others)
        if not _held(deploy).update(met_lock=None, let_go_by=by):
            raise not_held(deploy)
        record(deploy, "deploy.let_go", by=by)
        log.say(deploy, f"{by.full_name} lets it go.")
        transaction.on_commit(lambda: ring(deploy.pk))


def drop(deploy: Deploy, *, by: User) -> None:
    """Give up what was held. Raises NotHeld, NotAllowed."""
    access.require(by, access.DEPLOY, deploy.target)
    with transaction.atomic():
        lock_target(deploy.target)
        if not _held(deploy).exists():
            raise not_held(deploy)
        record(deploy, "deploy.dropped", by=by)
        end_waiting(deploy, f"{by.full_name} dropped it: it had met a lock.", by=by)


def leave(deploy: Deploy) -> None:
    """The lock that it met has ended, and nobody has said what becomes of it: it stays, and says so."""
    with transaction.atomic():
        lock_target(deploy.target)
        if _held(deploy).exists():
            record(deploy, "deploy.stays_held", by=None)
            log.say(deploy, "The lock has ended. It stays held until someone says: deploy it, or drop it.")


def not_held(deploy: Deploy) -> NotHeld:
    return NotHeld(f"#{deploy.number} of {deploy.target.slug} is not held by a lock (any more). Nothing was changed.")


def _held(deploy: Deploy) -> QuerySet[Deploy]:
    return Deploy.objects.filter(pk=deploy.pk, status=S.WAITING, met_lock__isnull=False)
