"""What people, machines and the Deployer itself ask for."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from deployments import blockers, recipe_file, recipes, release_configuration, releases, rollbacks, task_values
from deployments.lifecycle.beginning import begin, is_dropped, refuse_if_blocked, waits_by_itself
from deployments.lifecycle.ending import request_cancel
from deployments.lifecycle.moves import lock
from deployments.lifecycle.passing import NOTHING_SAID, Passing, left_of
from deployments.models import Deploy, Kind, Standing, Trigger
from deployments.refusals import (
    NoSuchHosts,
    NothingToConverge,
    NothingToRetry,
    TaskRefused,
    WrongTime,
)
from deployments.states import FINAL, DeployStatus, RunStatus
from environments import access, observing, repositories
from environments.models import Host, Membership, Target, Task, User
from environments.sources import refreshing
from notifications import events

S = DeployStatus
_NOTHING = "Nothing was changed."


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
    hosts: Collection[str] | None = None,
    said: Passing = NOTHING_SAID,
    revision: str = "",
    by_name: str = "",
    unless: Callable[[], None] | None = None,
) -> Deploy:
    """Deploy what `ref` (branch, tag or commit) means now to all hosts of `target`, or to those that are named.

    `by` is None for the Deployer itself. With `wait`, a deploy that cannot start now waits for its turn. With `hold`
    it stops when all is prepared, until `flip`; with `flip_at` that comes by itself. An automatic one that meets a lock
    is held. `said`: what passes a lock or warning. `revision`: exactly this commit, which is on `ref`. `by_name`: who
    is told to deploy, where that is not `by`. `unless` is asked while the target is held; what it raises is raised.
    Raises NotAllowed, RepositoryError, Blocked, WrongTime, NoSuchHosts; then nothing was changed.
    """
    access.require(by, access.DEPLOY, target)
    refreshing.refresh_before_deploy(target.environment)
    if hosts is not None:
        chosen_members(target, hosts)
    if flip_at is not None and flip_at <= timezone.now():
        raise WrongTime(f"{flip_at:%Y-%m-%d %H:%M %Z} is over, so nothing can go live then. Nothing was changed.")
    _refuse_early(target, said, by=by, automatic=automatic, wait=wait)
    # before the transaction: git and the server of builds may take seconds, and the target's row is locked in it
    revision = repositories.resolve(target.application, revision or ref)
    # of many who ask at once, one has begun by now; this looks the same up as the transaction does, for less
    _refuse_early(target, said, by=by, automatic=automatic, wait=wait)
    file = recipe_file.read(target.application, revision)
    release_configuration.check(target, revision, lambda: [one.host for one in chosen_members(target, hosts)])
    missing = blockers.of_revision(target, revision)
    refuse_if_blocked(missing, target, wait)
    with transaction.atomic():
        lock(target)
        if unless is not None:
            unless()
        return begin(
            target=target,
            release=releases.make(target, revision, ref),
            ref=ref,
            revision=revision,
            recipe=recipes.snapshot(target, file),
            members=chosen_members(target, hosts),
            only=hosts is not None,
            by=by,
            by_name=by_name,
            trigger=trigger,
            automatic=automatic,
            wait=wait,
            kind=Kind.DEPLOY,
            rests=hold or flip_at is not None,
            flip_at=flip_at,
            missing=missing,
            said=said,
        )


def _refuse_early(target: Target, said: Passing, *, by: User | None, automatic: bool, wait: bool) -> None:
    """What the transaction would refuse anyway, before it costs anything."""
    found = blockers.blockers(target, by=by, automatic=automatic)
    left = left_of(found, said, target=target, kind=Kind.DEPLOY, by=by, automatic=automatic)
    if is_dropped(left, target, Kind.DEPLOY, automatic):
        _tell_dropped(target, left, by)
    refuse_if_blocked(left, target, wait or waits_by_itself(left, target, Kind.DEPLOY, automatic))


def _tell_dropped(target: Target, found: Sequence[blockers.Blocker], by: User | None) -> None:
    """What was not taken has no row of its own. Raises Blocked."""
    events.record(
        "deploy.not_taken",
        by.username if by else "",
        application=target.application.name,
        environment=target.environment.name,
        reason=" ".join(it.sentence for it in found if it.closes),
    )
    raise blockers.Blocked(target, list(found))


def chosen_members(target: Target, hosts: Collection[str] | None) -> list[Membership]:
    """The hosts of `target`, or those of them that are named. Raises NoSuchHosts."""
    able = blockers.listed(blockers.members(target))
    if hosts is None:
        return able
    unknown = sorted(set(hosts) - {member.host.name for member in able})
    if unknown:
        raise NoSuchHosts(f"{target.slug} is not deployed to {', '.join(unknown)}. {_tell_observed(unknown)}{_NOTHING}")
    if not hosts:
        raise NoSuchHosts(f"No host of {target.slug} was chosen. Choose at least one. Nothing was changed.")
    return [member for member in able if member.host.name in hosts]


def _tell_observed(names: Collection[str]) -> str:
    """Where hosts were named to which nothing is written at all."""
    told = observing.tell(Host.objects.filter(name__in=names, observed=True))
    return f"{told} " if told else ""


def retry(
    deploy: Deploy,
    *,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
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
        lock(deploy.target)
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
        return begin(
            target=deploy.target,
            release=deploy.release,
            ref=deploy.ref,
            revision=deploy.revision,
            recipe=deploy.recipe if is_task else recipes.snapshot(deploy.target, recipes.file_of(deploy)),
            members=members,
            by=by,
            trigger=trigger,
            automatic=automatic,
            kind=Kind.TASK if is_task else Kind.RETRY,
            of=deploy,
            said=said,
        )


def roll_back(
    target: Target,
    *,
    to: Deploy | None = None,
    by: User | None,
    trigger: str = Trigger.PAGE,
    stop: bool = False,
    automatic: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
    """Make an earlier release live again; by default the last good one before what is live now.

    Hosts that hold the release are only switched; the others get it first. With `stop`, a deploy that runs is
    cancelled, and the rollback starts as soon as that has ended. Over the lock of somebody else it goes with
    `said.over`, the reason that the holder is told. Raises CannotRollBack, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    running = blockers.active_deploy(target)
    if running and not stop:
        raise blockers.Blocked(target, [blockers.running(running)])
    goal = rollbacks.choose(target, to, stopping=running)
    rollbacks.check_lacking(target, goal, list(blockers.members(target)))
    assert goal.release is not None
    with transaction.atomic():
        lock(target)
        running = blockers.active_deploy(target) if stop else None
        if running and running.status != S.CANCELLING:
            request_cancel(running, by=by)
        return begin(
            target=target,
            release=goal.release,
            ref=goal.ref,
            revision=goal.revision,
            recipe=recipes.snapshot(target, recipes.file_of(goal)),
            members=blockers.listed(blockers.members(target)),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=stop,
            kind=Kind.ROLLBACK,
            of=goal,
            said=said,
        )


def run_task(
    task: Task,
    *,
    hosts: Collection[str] | None = None,
    values: Mapping[str, str] | None = None,
    by: User | None,
    trigger: str = Trigger.PAGE,
    wait: bool = False,
    automatic: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
    """Run a task on the named hosts, or on all that have its roles: locked, numbered and logged as a deploy is.

    `values` are texts by the names of the task's parameters. Raises TaskRefused, Blocked, NotAllowed.
    """
    target = task.target
    access.require(by, access.DEPLOY, target)
    filled = task_values.fill(task, values or {})
    with transaction.atomic():
        lock(target)
        standing = Standing.objects.filter(target=target).select_related("live").first()
        return begin(
            target=target,
            release=None,
            ref=task.name,
            revision=standing.live.revision if standing and standing.live else "",
            recipe=recipes.task_snapshot(task, filled),
            members=_members_of(task, hosts),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=wait,
            kind=Kind.TASK,
            said=said,
        )


def _members_of(task: Task, hosts: Collection[str] | None) -> list[Membership]:
    able = [one for one in blockers.members(task.target) if not task.roles or set(task.roles) & set(one.roles)]
    unknown = sorted(set(hosts or ()) - {one.host.name for one in able})
    slug = task.target.slug
    if unknown:
        told = _tell_observed(unknown)
        raise TaskRefused(f"{', '.join(unknown)} cannot run the task {task.name} of {slug}. {told}Nothing was run.")
    if hosts is not None and not hosts:
        raise TaskRefused(f"No host was chosen for the task {task.name}. Nothing was run.")
    if not able:
        raise TaskRefused(f"No host of {slug} has the role for the task {task.name}. Nothing was run.")
    return [one for one in able if hosts is None or one.host.name in hosts]


def converge(
    target: Target,
    *,
    hosts: Collection[str] | None = None,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
    """Deploy what is live to just the hosts that do not run it, or to some of them.

    Raises NothingToConverge, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    with transaction.atomic():
        lock(target)
        standing = Standing.objects.filter(target=target).select_related("live__release").first()
        live_now = standing.live if standing else None
        differing = set(releases.differing(target).values_list("host__name", flat=True))
        wanted = differing if hosts is None else differing & set(hosts)
        members = [one for one in blockers.members(target) if one.host.name in wanted]
        if hosts and (told := _tell_observed(hosts)):
            raise NothingToConverge(f"{told}{_NOTHING}")
        if live_now is None or live_now.release is None or not members:
            raise NothingToConverge(f"Nothing differs on {target.slug}: every host runs what is live.")
        return begin(
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
            said=said,
        )
