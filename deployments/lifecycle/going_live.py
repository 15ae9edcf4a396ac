"""Prepare now, flip later."""

from django.db import transaction
from django.utils import timezone

from deployments import blockers, live, log
from deployments.doorbell import ring
from deployments.lifecycle.moves import lock, record, status_of
from deployments.lifecycle.passing import Passing, goes_over, left_of, tell_over
from deployments.models import Deploy
from deployments.refusals import (
    NothingToFlip,
)
from deployments.states import DeployStatus, RunStatus
from environments import access
from environments.models import User

S = DeployStatus


def rest(deploy: Deploy) -> None:
    """Note, once, that a held deploy could go live."""
    with transaction.atomic():
        lock(deploy.target)
        fresh = Deploy.objects.filter(pk=deploy.pk, status=S.RUNNING, held=True, prepared_at=None)
        if not fresh.update(prepared_at=timezone.now()):
            return
        ready = deploy.runs.filter(status=RunStatus.PREPARED).count()
        when = f"at {deploy.flip_at:%Y-%m-%d %H:%M %Z}" if deploy.flip_at else "when someone says so"
        log.say(deploy, f"{ready} of {deploy.runs.count()} hosts are prepared. It goes live {when}.")
        record(deploy, "deploy.prepared", by=deploy.by, hosts=ready)
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))


def flip(
    deploy: Deploy, *, by: User | None, automatic: bool = False, confirm: bool = False, override: str = ""
) -> None:
    """Let a held deploy go live, now or as soon as it is prepared. Raises NothingToFlip, Blocked, NotAllowed.

    `confirm`: whoever asks has seen the warnings; `override`: why this is an emergency. By nobody it goes live for whom
    it was asked for.
    """
    target = deploy.target
    access.require(by, access.DEPLOY, target)
    with transaction.atomic():
        lock(target)
        held = Deploy.objects.filter(pk=deploy.pk, held=True, status__in=(S.WAITING, S.RUNNING))
        status = held.values_list("status", flat=True).first()
        if status is None:
            raise NothingToFlip(f"#{deploy.number} does not wait to go live; it is {status_of(deploy)}.")
        others = _others(deploy, by, automatic, confirm, override) if status == S.RUNNING else []
        if others:
            raise blockers.Blocked(target, others)
        held.update(held=False, flip_at=None)
        record(deploy, "deploy.flipped", by=by)
        log.say(deploy, f"{by.full_name if by else 'The Deployer'} lets it go live.")
        transaction.on_commit(lambda: ring(deploy.pk))
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))


def _others(deploy: Deploy, by: User | None, automatic: bool, confirm: bool, override: str) -> list[blockers.Blocker]:
    if by is None:
        return blockers.of_deploy(deploy, besides=deploy)
    found = blockers.blockers(deploy.target, besides=deploy, kind=deploy.kind, by=by, automatic=automatic)
    said = Passing(confirmed=confirm or deploy.over_locks, override=override)
    left = left_of(found, said, target=deploy.target, kind=deploy.kind, by=by, automatic=automatic)
    if goes_over(found, said, target=deploy.target, kind=deploy.kind, by=by, automatic=automatic):
        tell_over(deploy, found, said)
    return [it for it in left if not (it.yields and deploy.over_locks)]


def flip_by_itself(deploy: Deploy) -> None:
    """The time of a held deploy has come. What stands in the way now is told, and then a person decides."""
    try:
        access.require(deploy.by, access.DEPLOY, deploy.target)
        flip(deploy, by=None)
    except (blockers.Blocked, access.NotAllowed) as refusal:
        with transaction.atomic():
            lock(deploy.target)
            if Deploy.objects.filter(pk=deploy.pk, held=True, flip_at__isnull=False).update(flip_at=None):
                log.say(deploy, f"It did not go live by itself: {refusal}")
                record(deploy, "deploy.flip_refused", by=None, reason=str(refusal))
                transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))
