"""The verbs of a deploy: request, start, cancel, retry, roll back, end. The only place that writes a deploy's status.

Errors:

    LifecycleError
    ├── NothingToCancel    the deploy is over
    ├── NothingToRetry     it is not over, or no host failed
    └── CannotRollBack     no release to go back to, or hosts no longer hold it
    blockers.Blocked, access.NotAllowed, repositories.RepositoryError
"""

import secrets
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from deployments import blockers, live, log, recipes, releases
from deployments.doorbell import ring
from deployments.models import Deploy, HostRun, Kind, Release, Standing, Trigger
from deployments.states import ACTIVE, DEPLOY_MOVES, FINAL, RUN_OPEN, WENT_LIVE, DeployStatus, RunStatus, sources
from environments import access, repositories
from environments.models import Membership, Target, User
from notifications import events

S = DeployStatus


class LifecycleError(Exception):
    """`str()` is the sentence for every door."""


class NothingToCancel(LifecycleError):
    pass


class NothingToRetry(LifecycleError):
    pass


class CannotRollBack(LifecycleError):
    pass


def request_deploy(
    *,
    target: Target,
    ref: str,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    wait: bool = False,
) -> Deploy:
    """Deploy what `ref` (branch, tag or commit) means now to all hosts of `target`.

    `by` is None for the Deployer itself. With `wait`, a deploy that cannot start now waits for its turn.
    Raises NotAllowed, RepositoryError, Blocked; then nothing was changed.
    """
    access.require(by, access.DEPLOY, target)
    _refuse_if_blocked(blockers.blockers(target), target, wait)
    # before the transaction: git may take seconds, and the target's row is locked in it
    revision = repositories.resolve(target.application, ref)
    with transaction.atomic():
        _lock(target)
        return _begin(
            target=target,
            release=releases.make(target, revision, ref),
            members=list(blockers.members(target)),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=wait,
            kind=Kind.DEPLOY,
        )


def retry(deploy: Deploy, *, by: User | None, trigger: str = Trigger.PAGE) -> Deploy:
    """A new deploy of the same release to the hosts that did not make it.

    Raises NothingToRetry, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, deploy.target)
    if deploy.status not in FINAL:
        raise NothingToRetry(f"#{deploy.number} is {deploy.status}; wait for its end, or cancel it.")
    if deploy.release is None:
        raise NothingToRetry(f"The release of #{deploy.number} is gone. Deploy {deploy.ref} anew.")
    missed = deploy.runs.exclude(status=RunStatus.LIVE).values_list("host_name", flat=True)
    with transaction.atomic():
        _lock(deploy.target)
        newer = releases.newer_switch(deploy)
        if newer is not None:
            raise NothingToRetry(
                f"#{newer.number} has switched hosts of {deploy.target.slug} since, and a retry of #{deploy.number} "
                f"would take them back. Deploy {deploy.revision[:7]} anew if that is what you want."
            )
        members = list(blockers.members(deploy.target).filter(host__name__in=list(missed)))
        if not members:
            raise NothingToRetry(f"No host of #{deploy.number} is left to retry.")
        return _begin(
            target=deploy.target,
            release=deploy.release,
            members=members,
            by=by,
            trigger=trigger,
            kind=Kind.RETRY,
            of=deploy,
        )


def roll_back(target: Target, *, to: Deploy | None = None, by: User | None, trigger: str = Trigger.PAGE) -> Deploy:
    """Make an earlier release live again; by default the last good one before what is live now.

    It is chosen by its id, so it is the same on every host. Raises CannotRollBack, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    goal = to or releases.last_good(target)
    if goal is None:
        raise CannotRollBack(f"{target.slug} has no earlier good release to go back to.")
    if goal.target_id != target.pk or goal.release is None:
        raise CannotRollBack(f"#{goal.number} left no release on {target.slug}.")
    if goal.status not in WENT_LIVE:
        raise CannotRollBack(
            f"#{goal.number} ended as {goal.status}, so its release has not shown that it is well. "
            f"Choose one that went live, or deploy {goal.revision[:7]} anew."
        )
    with transaction.atomic():
        _lock(target)
        members = list(blockers.members(target))
        missing = releases.lacking_hosts(goal.release, members)
        if missing:
            raise CannotRollBack(
                f"{', '.join(missing)} no longer hold{'s' if len(missing) == 1 else ''} release {goal.release.name} of "
                f"#{goal.number}. Deploy {goal.revision[:7]} instead; it is laid out anew then."
            )
        return _begin(
            target=target, release=goal.release, members=members, by=by, trigger=trigger, kind=Kind.ROLLBACK, of=goal
        )


def request_cancel(deploy: Deploy, *, by: User | None) -> None:
    """Stop a deploy; it is final within 30 s. Asking twice is harmless. Raises NothingToCancel, NotAllowed."""
    access.require(by, access.DEPLOY, deploy.target)
    name = by.full_name if by else "the Deployer"
    with transaction.atomic():
        # the target's row before the deploy's, as everywhere: otherwise PostgreSQL finds a deadlock with `end`,
        # for a row that is updated twice in a transaction (status, lines) has its foreign keys locked again
        _lock(deploy.target)
        if Deploy.objects.filter(pk=deploy.pk, status=S.WAITING).exists():
            HostRun.objects.filter(deploy=deploy).update(status=RunStatus.CANCELLED)
            end(deploy, S.CANCELLED, f"Cancelled by {name} while it waited.", by=by)
        elif _move(deploy, S.CANCELLING, cancelled_at=Now()):
            _record(deploy, "deploy.cancelling", by=by)
            log.say(deploy, f"{name} cancels this deploy.")
        elif not Deploy.objects.filter(pk=deploy.pk, status=S.CANCELLING).exists():
            raise NothingToCancel(f"#{deploy.number} is over already; there is nothing to cancel.")
        transaction.on_commit(lambda: ring(deploy.pk))


def start_waiting(deploy: Deploy) -> bool:
    """Start a waiting deploy if nothing blocks it any more; whether it started."""
    with transaction.atomic():
        _lock(deploy.target)
        if blockers.blockers(deploy.target) or next_waiting(deploy.target) != deploy:
            return False
        if deploy.by is not None and not access.allows(deploy.by, access.DEPLOY, deploy.target):
            end(deploy, S.FAILED, f"{deploy.by_name} may no longer deploy {deploy.target.slug}.")
            return False
        if not _move(deploy, S.RUNNING, started_at=timezone.now()):
            return False
        _record(deploy, "deploy.started", by=deploy.by)
        log.say(deploy, _headline(deploy))
    return True


def next_waiting(target: Target) -> Deploy | None:
    """The deploy whose turn is next: in the order in which they were requested."""
    waiting = Deploy.objects.filter(target=target, status=S.WAITING).order_by("number")
    return waiting.select_related("target__application", "target__environment", "by").first()


def end(deploy: Deploy, status: str, reason: str, *, by: User | None = None) -> bool:
    """Write the final state, with the log's count and digest; whether it was this call that did.

    `by` is who ended it, if not the one who requested it.
    """
    with transaction.atomic():
        _lock(deploy.target)
        if not Deploy.objects.filter(pk=deploy.pk, status__in=sources(DEPLOY_MOVES, status)).exists():
            return False
        log.say(deploy, reason)
        lines, sha256 = log.digest(deploy.pk)
        moved = _move(deploy, status, reason=reason, finished_at=timezone.now(), lines=lines, log_sha256=sha256)
        HostRun.objects.filter(deploy=deploy, status__in=RUN_OPEN).update(status=RunStatus.SKIPPED, claimed_by=None)
        releases.judge(deploy, status)
        _record(deploy, f"deploy.{status}", by=by or deploy.by, reason=reason)
        following = next_waiting(deploy.target)
        if following:
            transaction.on_commit(lambda: ring(following.pk))
    return moved


def hold_all(reason: str) -> int:
    """Let no deploy go on by itself, as after a restore: each waits for a person. Returns how many were held."""
    held = 0
    for deploy in Deploy.objects.filter(status__in=(S.WAITING, *ACTIVE)).select_related("target"):
        held += end(deploy, S.NEEDS_ATTENTION, reason)
    return held


def _refuse_if_blocked(found: list[blockers.Blocker], target: Target, wait: bool) -> None:
    if found and not (wait and all(blocker.passes for blocker in found)):
        raise blockers.Blocked(target, found)


def _lock(target: Target) -> None:
    """Hold the target's row to the end of the transaction: numbers, blockers and starts are decided one by one."""
    Target.objects.select_for_update().only("pk").get(pk=target.pk)


def _begin(
    *,
    target: Target,
    release: Release,
    members: list[Membership],
    by: User | None,
    trigger: str,
    kind: str,
    automatic: bool = False,
    wait: bool = False,
    of: Deploy | None = None,
) -> Deploy:
    """Number, host runs, event and the doorbell, in the caller's transaction."""
    found = blockers.blockers(target)
    _refuse_if_blocked(found, target, wait)
    now = timezone.now()
    Target.objects.filter(pk=target.pk).update(last_number=F("last_number") + 1)
    number = Target.objects.values_list("last_number", flat=True).get(pk=target.pk)
    try:
        with transaction.atomic():
            deploy = Deploy.objects.create(
                key=secrets.token_hex(8),
                target=target,
                number=number,
                kind=kind,
                trigger=trigger,
                automatic=automatic,
                of=of,
                status=S.WAITING if found else S.RUNNING,
                requested_at=now,
                started_at=None if found else now,
                ref=release.ref,
                revision=release.revision,
                release=release,
                by=by,
                by_name=by.full_name if by else "the Deployer",
                recipe=recipes.snapshot(target),
                plan=recipes.waves(target, members),
            )
    except IntegrityError:
        # the constraint is the last word, should anything ever start a deploy without the target's lock
        found = blockers.blockers(target)
        if not found:
            raise  # another constraint: "blocked by nothing" would hide it
        raise blockers.Blocked(target, found) from None
    HostRun.objects.bulk_create(recipes.host_runs(deploy, members))
    Standing.objects.update_or_create(target=target, defaults={"latest": deploy})
    _record(deploy, "deploy.waiting" if found else "deploy.requested", by=by, trigger=trigger, deploy_kind=kind)
    log.say(deploy, " ".join(["Waits:", *(blocker.text for blocker in found)]) if found else _headline(deploy))
    transaction.on_commit(lambda: ring(deploy.pk))
    return deploy


def _headline(deploy: Deploy) -> str:
    verb = {Kind.ROLLBACK: "rolls back to", Kind.RETRY: "retries"}.get(Kind(deploy.kind), "deploys")
    what = f"{deploy.target.application.name}/{deploy.ref} ({deploy.revision[:8]})"
    return f"{deploy.by_name} {verb} {what} on {deploy.target.slug}, #{deploy.number}."


def _move(deploy: Deploy, to: str, **fields: Any) -> bool:
    """One conditional UPDATE over the table of allowed moves; the row count decides."""
    moved = Deploy.objects.filter(pk=deploy.pk, status__in=sources(DEPLOY_MOVES, to)).update(status=to, **fields) == 1
    if moved:
        deploy.status = to
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))
    return moved


def _record(deploy: Deploy, kind: str, *, by: User | None, **facts: Any) -> None:
    target = deploy.target
    events.record(
        kind,
        by.username if by else "",
        application=target.application.name,
        environment=target.environment.name,
        deploy=deploy.pk,
        number=deploy.number,
        ref=deploy.ref,
        revision=deploy.revision,
        by=deploy.by_name,
        **facts,
    )
