"""Thin doing: reads what is true, asks the plan, does the one next thing. Everything may be called again, or twice."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

from django.db.models.functions import Now

from deployments import claims, doorbell, lifecycle, log, phases, plan, recipes, runs
from deployments.models import Deploy, Kind, Program, ProgramPhase, Worker
from deployments.runtime import Runtime
from deployments.states import ACTIVE, DeployStatus, RunStatus
from environments.models import OnFailure, Phase

R = RunStatus

CANCEL_SECONDS = 24  # then hosts that have not answered are let go; a cancel is final within 30 s
BATCH_MOST = 64
_FITTING: dict[str, tuple[str, ...]] = {
    "task": (R.PENDING, R.PREPARING),
    "prepare": (R.PENDING, R.PREPARING),
    "once": (R.PREPARED,),
    "switch": (R.PREPARED,),
    "finish": (R.SWITCHED,),
    "stop": (R.PREPARING, R.PREPARED, R.SWITCHED),
}


def advance(deploy_id: int, *, offer: Callable[[int, plan.Do], None]) -> None:
    """Do for one deploy whatever is next; `offer` hands work on hosts to workers."""
    for _ in range(20):
        deploy = _load(deploy_id)
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
        runs.drop(deploy, action.runs, action.why)
    elif isinstance(action, plan.Flip):
        lifecycle.flip_by_itself(deploy)
    elif isinstance(action, plan.End):
        lifecycle.end(deploy, action.status, action.reason)


def picture(deploy: Deploy) -> plan.Picture:
    """All that the plan needs, in four queries whatever the number of hosts."""
    rows = list(deploy.runs.all())
    free = set(claims.free(deploy.runs.all()).values_list("pk", flat=True))
    return plan.Picture(
        status=deploy.status,
        runs=[
            plan.Run(
                row.pk, row.wave, row.status, row.pk in free, row.region, row.host_name, row.switched_at is not None
            )
            for row in rows
        ],
        needed=deploy.plan.get("needed", 0),
        needed_per_region=deploy.plan.get("needed_per_region", 0),
        once=_once_state(deploy),
        once_runs=recipes.once_runs(deploy, rows),
        task=deploy.kind == Kind.TASK,
        overdue=deploy.cancelled_at is not None and _overdue(deploy),
        all_or_none=deploy.plan.get("on_failure") == OnFailure.ABORT,
        held=deploy.held,
        flip_due=deploy.flip_at is not None and Deploy.objects.filter(pk=deploy.pk, flip_at__lte=Now()).exists(),
    )


def _overdue(deploy: Deploy) -> bool:
    limit = Now() - timedelta(seconds=CANCEL_SECONDS)
    return Deploy.objects.filter(pk=deploy.pk, cancelled_at__lt=limit).exists()


def _once_state(deploy: Deploy) -> Literal["none", "open", "ok", "failed"]:
    wanted = recipes.step_facts(deploy, Phase.ONCE)
    if not wanted or (deploy.kind in (Kind.ROLLBACK, Kind.CONVERGE) and not recipes.is_command(deploy)):
        return "none"
    family = [deploy.pk, deploy.of_id] if deploy.kind == Kind.RETRY else [deploy.pk]
    results = Program.objects.filter(run__deploy__in=family, phase=ProgramPhase.ONCE).values_list(
        "result", "run__deploy"
    )
    if any(result == "ok" for result, _ in results):
        return "ok"
    own = [result for result, of in results if of == deploy.pk and result and result != "lost"]
    return "failed" if own else "open"


def split(do: plan.Do, workers: int) -> list[list[int]]:
    """The host runs in batches, one message each; a switch is never split."""
    if do.work == "switch":
        return [list(do.runs)]
    size = max(1, min(BATCH_MOST, -(-len(do.runs) // max(1, workers))))
    return [list(do.runs[start : start + size]) for start in range(0, len(do.runs), size)]


def run_batch(deploy_id: int, work: str, run_ids: Sequence[int], *, worker: Worker, runtime: Runtime) -> None:
    """Claim these host runs, carry out one phase on all of them in parallel, let go, and ring."""
    deploy = _load(deploy_id)
    if deploy is None or deploy.status not in ACTIVE:
        return
    with runtime.holding(run_ids):
        taken = claims.take(worker, deploy, list(run_ids))
        fitting = [run for run in taken if run.status in _FITTING[work]]
        try:
            if fitting and (work != "switch" or len(fitting) == len(run_ids)):
                with runtime.watching(deploy.pk), _recorder(deploy) as recorder:
                    phases.carry_out(work, deploy, fitting, recorder, runtime)
        finally:
            claims.let_go(taken)
    if taken:
        doorbell.ring(deploy.pk)


@contextmanager
def _recorder(deploy: Deploy) -> Iterator[log.Recorder]:
    recorder = log.Recorder(deploy.pk)
    try:
        yield recorder
    finally:
        recorder.close()


def _load(deploy_id: int) -> Deploy | None:
    related = Deploy.objects.select_related("target__application", "target__environment", "release", "by", "of")
    return related.filter(pk=deploy_id).first()
