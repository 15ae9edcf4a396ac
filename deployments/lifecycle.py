"""The verbs of a deploy: request, start, flip, cancel, retry, roll back, end. The only place that writes its status.

Errors are those of `deployments.refusals`, and blockers.Blocked, access.NotAllowed, repositories.RepositoryError.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from deployments import blockers, live, log, recipe_file, recipes, releases, rollbacks, task_values
from deployments.doorbell import ring
from deployments.models import Deploy, HostRun, Kind, Release, Standing, Trigger
from deployments.refusals import (
    CannotRollBack,
    LifecycleError,
    NothingToCancel,
    NothingToConverge,
    NothingToFlip,
    NothingToRetry,
    TaskRefused,
    WrongTime,
)
from deployments.states import ACTIVE, DEPLOY_MOVES, FINAL, RUN_OPEN, DeployStatus, RunStatus, sources
from environments import access, repositories
from environments.models import Membership, Target, Task, User
from notifications import events

__all__ = [
    "CannotRollBack",
    "LifecycleError",
    "NothingToCancel",
    "NothingToConverge",
    "NothingToFlip",
    "NothingToRetry",
    "TaskRefused",
    "WrongTime",
    "converge",
    "end",
    "flip",
    "flip_by_itself",
    "hold_all",
    "next_waiting",
    "request_cancel",
    "request_deploy",
    "rest",
    "retry",
    "roll_back",
    "run_task",
    "start_waiting",
]

S = DeployStatus
_VERBS = {Kind.ROLLBACK: "rolls back to", Kind.RETRY: "retries", Kind.CONVERGE: "converges to"}


def request_deploy(
    *,
    target: Target,
    ref: str,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    wait: bool = False,
    hold: bool = False,
    flip_at: datetime | None = None,
) -> Deploy:
    """Deploy what `ref` (branch, tag or commit) means now to all hosts of `target`.

    `by` is None for the Deployer itself. With `wait`, a deploy that cannot start now waits for its turn. With `hold`
    it stops when all is prepared, until `flip`; with `flip_at` that comes by itself.
    Raises NotAllowed, RepositoryError, Blocked, WrongTime; then nothing was changed.
    """
    access.require(by, access.DEPLOY, target)
    if flip_at is not None and flip_at <= timezone.now():
        raise WrongTime(f"{flip_at:%Y-%m-%d %H:%M %Z} is over, so nothing can go live then. Nothing was changed.")
    _refuse_if_blocked(blockers.blockers(target), target, wait)
    # before the transaction: git and the server of builds may take seconds, and the target's row is locked in it
    revision = repositories.resolve(target.application, ref)
    file = recipe_file.read(target.application, revision)
    missing = blockers.of_revision(target, revision)
    _refuse_if_blocked(missing, target, wait)
    with transaction.atomic():
        _lock(target)
        return _begin(
            target=target,
            release=releases.make(target, revision, ref),
            ref=ref,
            revision=revision,
            recipe=recipes.snapshot(target, file),
            members=list(blockers.members(target)),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=wait,
            kind=Kind.DEPLOY,
            hold=hold or flip_at is not None,
            flip_at=flip_at,
            missing=missing,
        )


def retry(deploy: Deploy, *, by: User | None, trigger: str = Trigger.PAGE) -> Deploy:
    """A new deploy of the same release to the hosts that did not make it.

    Raises NothingToRetry, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, deploy.target)
    if deploy.status not in FINAL:
        raise NothingToRetry(f"#{deploy.number} is {deploy.status}; wait for its end, or cancel it.")
    if deploy.release is None and deploy.kind != Kind.TASK:
        raise NothingToRetry(f"The release of #{deploy.number} is gone. Deploy {deploy.ref} anew.")
    missed = deploy.runs.exclude(status=RunStatus.LIVE).values_list("host_name", flat=True)
    with transaction.atomic():
        _lock(deploy.target)
        is_task = deploy.kind == Kind.TASK
        newer = None if is_task else releases.newer_switch(deploy)
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
            ref=deploy.ref,
            revision=deploy.revision,
            recipe=deploy.recipe if is_task else recipes.snapshot(deploy.target, recipes.file_of(deploy)),
            members=members,
            by=by,
            trigger=trigger,
            kind=Kind.TASK if is_task else Kind.RETRY,
            of=deploy,
        )


def roll_back(
    target: Target, *, to: Deploy | None = None, by: User | None, trigger: str = Trigger.PAGE, stop: bool = False
) -> Deploy:
    """Make an earlier release live again; by default the last good one before what is live now.

    Hosts that hold the release are only switched; the others get it first. With `stop`, a deploy that runs is
    cancelled, and the rollback starts as soon as that has ended. Raises CannotRollBack, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    running = blockers.active_deploy(target)
    if running and not stop:
        raise blockers.Blocked(target, blockers.blockers(target))
    goal = rollbacks.choose(target, to, stopping=running)
    rollbacks.check_lacking(target, goal, list(blockers.members(target)))
    assert goal.release is not None
    with transaction.atomic():
        _lock(target)
        running = blockers.active_deploy(target) if stop else None
        if running and running.status != S.CANCELLING:
            request_cancel(running, by=by)
        return _begin(
            target=target,
            release=goal.release,
            ref=goal.ref,
            revision=goal.revision,
            recipe=recipes.snapshot(target, recipes.file_of(goal)),
            members=list(blockers.members(target)),
            by=by,
            trigger=trigger,
            wait=stop,
            kind=Kind.ROLLBACK,
            of=goal,
        )


def run_task(
    task: Task,
    *,
    hosts: Collection[str] | None = None,
    values: Mapping[str, str] | None = None,
    by: User | None,
    trigger: str = Trigger.PAGE,
    wait: bool = False,
) -> Deploy:
    """Run a task on the named hosts, or on all that have its roles: locked, numbered and logged as a deploy is.

    `values` are texts by the names of the task's parameters. Raises TaskRefused, Blocked, NotAllowed.
    """
    target = task.target
    access.require(by, access.DEPLOY, target)
    filled = task_values.fill(task, values or {})
    with transaction.atomic():
        _lock(target)
        standing = Standing.objects.filter(target=target).select_related("live").first()
        return _begin(
            target=target,
            release=None,
            ref=task.name,
            revision=standing.live.revision if standing and standing.live else "",
            recipe=recipes.task_snapshot(task, filled),
            members=_members_of(task, hosts),
            by=by,
            trigger=trigger,
            wait=wait,
            kind=Kind.TASK,
        )


def _members_of(task: Task, hosts: Collection[str] | None) -> list[Membership]:
    able = [one for one in blockers.members(task.target) if not task.roles or set(task.roles) & set(one.roles)]
    unknown = sorted(set(hosts or ()) - {one.host.name for one in able})
    slug = task.target.slug
    if unknown:
        raise TaskRefused(f"{', '.join(unknown)} cannot run the task {task.name} of {slug}. Nothing was run.")
    if hosts is not None and not hosts:
        raise TaskRefused(f"No host was chosen for the task {task.name}. Nothing was run.")
    if not able:
        raise TaskRefused(f"No host of {slug} has the role for the task {task.name}. Nothing was run.")
    return [one for one in able if hosts is None or one.host.name in hosts]


def rest(deploy: Deploy) -> None:
    """Note, once, that a held deploy could go live."""
    with transaction.atomic():
        _lock(deploy.target)
        fresh = Deploy.objects.filter(pk=deploy.pk, status=S.RUNNING, held=True, prepared_at=None)
        if not fresh.update(prepared_at=timezone.now()):
            return
        ready = deploy.runs.filter(status=RunStatus.PREPARED).count()
        when = f"at {deploy.flip_at:%Y-%m-%d %H:%M %Z}" if deploy.flip_at else "when someone says so"
        log.say(deploy, f"{ready} of {deploy.runs.count()} hosts are prepared. It goes live {when}.")
        _record(deploy, "deploy.prepared", by=deploy.by, hosts=ready)
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))


def flip(deploy: Deploy, *, by: User | None) -> None:
    """Let a held deploy go live, now or as soon as it is prepared. Raises NothingToFlip, Blocked, NotAllowed."""
    target = deploy.target
    access.require(by, access.DEPLOY, target)
    with transaction.atomic():
        _lock(target)
        held = Deploy.objects.filter(pk=deploy.pk, held=True, status__in=(S.WAITING, S.RUNNING))
        status = held.values_list("status", flat=True).first()
        if status is None:
            raise NothingToFlip(f"#{deploy.number} does not wait to go live; it is {_status_of(deploy)}.")
        others = blockers.blockers(target, besides=deploy) if status == S.RUNNING else []
        if others:
            raise blockers.Blocked(target, others)
        held.update(held=False, flip_at=None)
        _record(deploy, "deploy.flipped", by=by)
        log.say(deploy, f"{by.full_name if by else 'The Deployer'} lets it go live.")
        transaction.on_commit(lambda: ring(deploy.pk))
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))


def flip_by_itself(deploy: Deploy) -> None:
    """The time of a held deploy has come. What stands in the way now is told, and then a person decides."""
    try:
        access.require(deploy.by, access.DEPLOY, deploy.target)
        flip(deploy, by=None)
    except (blockers.Blocked, access.NotAllowed) as refusal:
        with transaction.atomic():
            _lock(deploy.target)
            if Deploy.objects.filter(pk=deploy.pk, held=True, flip_at__isnull=False).update(flip_at=None):
                log.say(deploy, f"It did not go live by itself: {refusal}")
                _record(deploy, "deploy.flip_refused", by=None, reason=str(refusal))
                transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))


def converge(
    target: Target,
    *,
    hosts: Collection[str] | None = None,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
) -> Deploy:
    """Deploy what is live to just the hosts that do not run it, or to some of them.

    Raises NothingToConverge, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    with transaction.atomic():
        _lock(target)
        standing = Standing.objects.filter(target=target).select_related("live__release").first()
        live_now = standing.live if standing else None
        differing = set(releases.differing(target).values_list("host__name", flat=True))
        wanted = differing if hosts is None else differing & set(hosts)
        members = [one for one in blockers.members(target) if one.host.name in wanted]
        if live_now is None or live_now.release is None or not members:
            raise NothingToConverge(f"Nothing differs on {target.slug}: every host runs what is live.")
        return _begin(
            target=target,
            release=live_now.release,
            ref=live_now.ref,
            revision=live_now.revision,
            recipe=recipes.snapshot(target, recipes.file_of(live_now)),
            members=members,
            by=by,
            trigger=trigger,
            automatic=automatic,
            kind=Kind.CONVERGE,
            of=live_now,
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
    if blockers.blockers(deploy.target, kind=deploy.kind):
        return False
    if deploy.kind == Kind.DEPLOY and blockers.of_revision(deploy.target, deploy.revision, patient=True):
        return False
    with transaction.atomic():
        _lock(deploy.target)
        if blockers.blockers(deploy.target, kind=deploy.kind) or next_waiting(deploy.target) != deploy:
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
    """The deploy whose turn is next: a rollback, then in the order in which they were requested."""
    urgent = Case(When(kind=Kind.ROLLBACK, then=Value(0)), default=Value(1))
    waiting = Deploy.objects.filter(target=target, status=S.WAITING).order_by(urgent, "number")
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
        Standing.objects.filter(target=deploy.target).update(looked_at=None)  # what hosts run now is asked soon
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
    # it may have been left since the caller read it
    target.left_at = Target.objects.select_for_update(no_key=True).only("left_at").get(pk=target.pk).left_at


def _begin(
    *,
    target: Target,
    release: Release | None,
    ref: str,
    revision: str,
    recipe: dict[str, Any],
    members: list[Membership],
    by: User | None,
    trigger: str,
    kind: str,
    automatic: bool = False,
    wait: bool = False,
    of: Deploy | None = None,
    hold: bool = False,
    flip_at: datetime | None = None,
    missing: Sequence[blockers.Blocker] = (),
) -> Deploy:
    """Number, host runs, event and the doorbell, in the caller's transaction."""
    found = [*blockers.blockers(target, kind=kind), *missing]
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
                ref=ref,
                revision=revision,
                release=release,
                by=by,
                by_name=by.full_name if by else "the Deployer",
                recipe=recipe,
                plan=recipes.waves(target, members),
                held=hold,
                flip_at=flip_at,
            )
    except IntegrityError:
        # the constraint is the last word, should anything ever start a deploy without the target's lock
        found = blockers.blockers(target, kind=kind)
        if not found:
            raise  # another constraint: "blocked by nothing" would hide it
        raise blockers.Blocked(target, found) from None
    held = releases.holders(release) if release and kind in (Kind.ROLLBACK, Kind.RETRY, Kind.CONVERGE) else set()
    HostRun.objects.bulk_create(recipes.host_runs(deploy, members, held))
    if kind != Kind.TASK:
        Standing.objects.update_or_create(target=target, defaults={"latest": deploy})
    _record(deploy, "deploy.waiting" if found else "deploy.requested", by=by, trigger=trigger, deploy_kind=kind)
    log.say(deploy, " ".join(["Waits:", *(blocker.text for blocker in found)]) if found else _headline(deploy))
    transaction.on_commit(lambda: ring(deploy.pk))
    return deploy


def _headline(deploy: Deploy) -> str:
    if deploy.kind == Kind.TASK:
        given = "".join(f" {name}={value}" for name, value in deploy.recipe["task"]["values"].items())
        return f"{deploy.by_name} runs {deploy.ref}{given} on {deploy.target.slug}, #{deploy.number}."
    verb = _VERBS.get(Kind(deploy.kind), "deploys")
    what = f"{deploy.target.application.name}/{deploy.ref} ({deploy.revision[:8]})"
    return f"{deploy.by_name} {verb} {what} on {deploy.target.slug}, #{deploy.number}."


def _status_of(deploy: Deploy) -> str:
    return str(Deploy.objects.values_list("status", flat=True).get(pk=deploy.pk))


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
