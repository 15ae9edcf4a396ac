"""Thin doing: reads what is true, asks the plan, does the one next thing. Everything may be called again, or twice."""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from deployments import claims, lifecycle, plan, recipes, runs, sharing
from deployments.batches import load
from deployments.models import Deploy, Kind, Program, ProgramPhase
from deployments.states import ACTIVE, RUN_OPEN, DeployStatus
from environments.models import Phase

CANCEL_SECONDS = 24  # then hosts that have not answered are let go; a cancel is final within 30 s


def advance(deploy_id: int, *, offer: Callable[[int, plan.Do], None]) -> None:
    """Do for one deploy whatever is next; `offer` hands work on hosts to workers."""
    for _ in range(20):
        deploy = load(deploy_id)
        if deploy is None:
            return
        if deploy.status == DeployStatus.WAITING:
            first = lifecycle.next_waiting(deploy.target)
            if first is None or not lifecycle.start_waiting(first):
                return
            deploy_id = first.pk
            continue
        if deploy.status not in ACTIVE:
            return
        action = plan.next(picture(deploy))
        if isinstance(action, plan.Wait):
            return
        if isinstance(action, plan.Rest):
            return lifecycle.rest(deploy)
        if isinstance(action, plan.Do):
            return offer(deploy.pk, action)
        _decide(deploy, action)


def _decide(deploy: Deploy, action: plan.Action) -> None:
    if isinstance(action, plan.Skip):
        runs.skip(deploy, action.runs, action.why)
    elif isinstance(action, plan.Drop):
        runs.drop(deploy, action.runs, action.why, begun=action.begun)
    elif isinstance(action, plan.Flip):
        lifecycle.flip_by_itself(deploy)
    elif isinstance(action, plan.End):
        lifecycle.end(deploy, action.status, action.reason)


def picture(deploy: Deploy) -> plan.Picture:
    """All that the plan needs, in a few queries whatever the number of hosts; plain values, for it is asked often."""
    gone = {None, *claims.lapsed_workers().values_list("pk", flat=True)}
    through = ExpressionWrapper(Q(switched_at__isnull=False), BooleanField())
    rows = deploy.runs.values_list("pk", "wave", "status", "claimed_by", "region", "host_name", through)
    queues = sharing.queue_of_region()
    once = _once_state(deploy)
    return plan.Picture(
        status=deploy.status,
        runs=[
            plan.Run(pk, wave, status, worker in gone, region, host, switched, queues.get(region, ""))
            for pk, wave, status, worker, region, host, switched in rows
        ],
        **recipes.thresholds(deploy),
        once=once,
        once_runs=recipes.once_runs(deploy) if once == "open" else frozenset(),
        task=deploy.kind == Kind.TASK,
        overdue=deploy.cancelled_at is not None and _overdue(deploy),
        held=deploy.held,
        flip_due=deploy.flip_at is not None and Deploy.objects.filter(pk=deploy.pk, flip_at__lte=Now()).exists(),
    )


def _overdue(deploy: Deploy) -> bool:
    limit = Now() - timedelta(seconds=CANCEL_SECONDS)
    return Deploy.objects.filter(pk=deploy.pk, cancelled_at__lt=limit).exists()


def _family(deploy: Deploy) -> list[Deploy]:
    """The deploy, what it retries, and so on to the one that was no retry."""
    family = [deploy]
    while family[-1].kind == Kind.RETRY and family[-1].of is not None:
        family.append(family[-1].of)
    return family


def _once_state(deploy: Deploy) -> plan.Once:
    wanted = recipes.step_facts(deploy, Phase.ONCE)
    family = _family(deploy) if wanted else []
    if not wanted or (family[-1].kind in (Kind.ROLLBACK, Kind.CONVERGE) and not recipes.is_command(deploy)):
        return "none"
    programs = Program.objects.filter(run__deploy__in=family, phase=ProgramPhase.ONCE)
    results = list(programs.values_list("result", "run__deploy", "run__status"))
    if any(result == "ok" for result, _, _ in results):
        return "ok"
    own = [(result, status) for result, of, status in results if of == deploy.pk]
    if any(result not in ("", "lost") for result, _ in own):
        return "failed"
    # begun there, perhaps, and it may go on there still: only what may be repeated goes to another host
    left = any(status not in RUN_OPEN for _, status in own)
    return "open" if not left or all(step["repeatable"] for step in wanted) else "unknown"
