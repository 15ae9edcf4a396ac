"""The page of a deploy: its phases, its hosts by region and zone, what failed and what to do about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from statistics import median
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from deployments import releases, turns, unserved
from deployments.blockers import of_waiting
from deployments.models import Deploy, HostRun, Kind, bulk
from deployments.page_queries.approvals import ApprovalCard, read_card
from deployments.page_queries.grid import Grid, build_grid
from deployments.page_queries.troubles import Trouble, build_troubles
from deployments.page_queries.words import BROKEN, PREPARED, Mark, mark_of_deploy, tell_hosts
from deployments.states import FINAL, RUN_FINAL, WENT_LIVE, DeployStatus, RunStatus
from environments import sight
from environments.models import Target, User

LOOK_BACK = 20
_R = RunStatus
_PREPARED = (_R.PREPARED, _R.SWITCHED, _R.LIVE)


@dataclass(slots=True)
class PhaseBar:
    """One phase of the track: done and failed of total."""

    name: str
    state: str
    done: int
    failed: int
    total: int
    waves: Sequence[int] = ()  # hosts up to the end of each wave but the last
    note: str = ""


class Expected(NamedTuple):
    """How long the latest deploys that succeeded took: half of them no longer, nine of ten no longer."""

    half: timedelta
    most: timedelta


class Earlier(NamedTuple):
    """A deploy before this one."""

    pk: int
    number: int
    status: str
    revision: str
    ref: str
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(slots=True)
class DeployPage:
    """Everything that the page of a deploy shows, apart from the log."""

    deploy: Deploy
    mark: Mark
    sentence: str
    live: int
    total: int
    phases: list[PhaseBar]
    grid: Grid
    troubles: list[Trouble]
    missed: int
    expected: Expected | None
    replaces: Earlier | None
    answers: list[Deploy]
    final: bool
    cancellable: bool
    back_to: Deploy | None
    goes_on: Target | None
    approval: ApprovalCard | None
    behind: int  # how many of those that wait go before it


def find_deploy(deploy_id: int) -> Deploy:
    """The deploy with all that verbs and the page need of its target. Raises Deploy.DoesNotExist."""
    found = Deploy.objects.select_related("target__application", "target__environment", "release", "of", "by")
    return found.get(pk=deploy_id)


def read_deploy(deploy: Deploy, *, user: User | None = None) -> DeployPage:
    """The host runs, the deploys before this one, those that answer it; where it goes on; more while it waits."""
    runs = bulk.read(deploy.runs.order_by("region", "zone", "host_name"), without=("roles",), deploy=deploy)
    earlier = _read_earlier(deploy)
    counts = Counter(run.status for run in runs)
    final = deploy.status in FINAL
    goal = "done" if deploy.kind == Kind.TASK else "live"
    return DeployPage(
        deploy=deploy,
        mark=PREPARED if deploy.rests else mark_of_deploy(deploy.status),
        sentence=_tell(deploy, counts, goal),
        live=counts[_R.LIVE],
        total=len(runs),
        phases=_build_phases(deploy, runs),
        grid=build_grid(runs, goal),
        troubles=build_troubles(deploy, runs),
        missed=_count_missed(deploy, len(runs) - counts[_R.LIVE]) if final else 0,
        expected=None if final else expect(earlier),
        replaces=_find_replaced(deploy, earlier),
        answers=list(deploy.answers.order_by("number")[:10]),
        final=final,
        cancellable=deploy.status in (DeployStatus.WAITING, DeployStatus.RUNNING, DeployStatus.WATCHING),
        back_to=_choose_back(deploy) if not final or any(run.switched_at for run in runs) else None,
        goes_on=_find_next(deploy, user)
        if deploy.status == DeployStatus.SUCCEEDED and deploy.kind != Kind.TASK
        else None,
        approval=read_card(deploy, user),
        behind=len(turns.ahead_of(deploy)) if deploy.status == DeployStatus.WAITING else 0,
    )


def _find_next(deploy: Deploy, user: User | None) -> Target | None:
    """The application's next environment, of an endpoint its target; none, where that serves this revision already."""
    own = deploy.target
    places = Target.objects.filter(sight.of_targets(user), application=own.application_id, name="")
    after = Q(environment__position__gt=own.environment.position) | Q(
        environment__position=own.environment.position, environment__name__gt=own.environment.name
    )
    following = places.filter(pk=own.parent_id) if own.parent_id else places.filter(after)
    following = following.select_related("environment", "application", "standing__live")
    found = following.order_by("environment__position", "environment__name").first()
    standing = getattr(found, "standing", None)
    served = standing.live.revision if standing and standing.live else ""
    return None if served == deploy.revision else found


def _find_replaced(deploy: Deploy, earlier: Sequence[Earlier]) -> Earlier | None:
    """What was live before; a task replaces nothing."""
    if deploy.kind == Kind.TASK:
        return None
    return next((past for past in earlier if past.status in WENT_LIVE), None)


def _tell(deploy: Deploy, counts: Counter[str], goal: str) -> str:
    """Where it stands, and what it waits for."""
    if deploy.status == DeployStatus.WAITING:
        return _tell_waiting(deploy)
    return " ".join([_tell_state(deploy, counts, goal), *(unserved.sentences(deploy) if deploy.is_active else [])])


def _count_missed(deploy: Deploy, missed: int) -> int:
    """How many hosts a retry is for; none when a newer deploy has taken over."""
    return missed if missed and releases.newer_switch(deploy) is None else 0


def _choose_back(deploy: Deploy) -> Deploy | None:
    """What a rollback goes back to, on the page of a target's newest deploy only; while it runs, by stopping it."""
    if deploy.kind == Kind.TASK or deploy.number != deploy.target.last_number or deploy.status == DeployStatus.WAITING:
        return None
    return releases.last_good(deploy.target, before=None if deploy.status in FINAL else deploy.release)


def _tell_state(deploy: Deploy, counts: Mapping[str, int], goal: str) -> str:
    if not deploy.rests:
        return tell_hosts(counts, goal=goal)
    when = f"at {deploy.flip_at:%H:%M %Z on %d %B}" if deploy.flip_at else "when someone says so"
    return f"{counts[_R.PREPARED]} of {sum(counts.values())} hosts hold the release; it goes live {when}."


def _tell_waiting(deploy: Deploy) -> str:
    """What it waits for, all of it."""
    reasons = [blocker.sentence for blocker in of_waiting(deploy)]
    if before := turns.ahead_of(deploy)[:5]:
        told = (
            f"#{it.number}, which waits for its build," if it.build_missing_since else f"#{it.number}" for it in before
        )
        reasons.append(", ".join(told) + " before it in the line.")
    return " ".join(reasons) or "Its turn is next; a worker takes it in a moment."


def _read_earlier(deploy: Deploy) -> list[Earlier]:
    past = Deploy.objects.filter(target_id=deploy.target_id, number__lt=deploy.number).order_by("-number")
    past = past.filter(kind=Kind.TASK, ref=deploy.ref) if deploy.kind == Kind.TASK else past.exclude(kind=Kind.TASK)
    fields = past.values_list("pk", "number", "status", "revision", "ref", "started_at", "finished_at")
    return [Earlier(*row) for row in fields[:LOOK_BACK]]


def expect(earlier: Sequence[Earlier]) -> Expected | None:
    """From those that succeeded; None without any."""
    seconds = sorted(
        (past.finished_at - past.started_at).total_seconds()
        for past in earlier
        if past.status == DeployStatus.SUCCEEDED and past.started_at and past.finished_at
    )
    if not seconds:
        return None
    return Expected(timedelta(seconds=median(seconds)), timedelta(seconds=seconds[ceil(0.9 * len(seconds)) - 1]))


def _build_phases(deploy: Deploy, runs: Sequence[HostRun]) -> list[PhaseBar]:
    """Prepare on all hosts, switch all together, then restart and check each."""
    total = len(runs)
    broken = [run for run in runs if run.status in BROKEN]
    after = [run for run in broken if run.switched_at]
    switched = sum(run.switched_at is not None for run in runs)
    ready = sum(run.status in _PREPARED or run.switched_at is not None for run in runs)
    live = sum(run.status == _R.LIVE for run in runs)
    early = len(broken) - len(after)
    begun = deploy.started_at is not None
    if deploy.kind == Kind.TASK:
        return [PhaseBar("Run", _phase_state(deploy, live, len(broken), total, begun), live, len(broken), total)]
    bars = [
        ("Prepare", ready, early, begun),
        ("Switch", switched, 0, switched > 0),
        ("Restart and check", live, len(after), switched > 0),
    ]
    waves, note = _waves(deploy, runs)
    return [
        PhaseBar(name, _phase_state(deploy, done, failed, total, on), done, failed, total, waves, note)
        for name, done, failed, on in bars
    ]


def _waves(deploy: Deploy, runs: Sequence[HostRun]) -> tuple[list[int], str]:
    """Where waves end on the track, and which one it is at; nothing of a deploy whose hosts all switch together."""
    sizes = [wave["hosts"] for wave in deploy.plan.get("waves", [])]
    if len(sizes) < 2:
        return [], ""
    open_waves = [run.wave for run in runs if run.status not in RUN_FINAL]
    at = min(open_waves) + 1 if open_waves else len(sizes)
    return list(accumulate(sizes[:-1])), f"wave {min(at, len(sizes))} of {len(sizes)}"


def _phase_state(deploy: Deploy, done: int, failed: int, total: int, begun: bool) -> str:
    if (failed and done + failed >= total) or (failed and deploy.status in FINAL):
        return "failed"
    if total and done == total:
        return "done"
    if deploy.status in FINAL:
        return "done" if done else "wait"
    if not begun:
        return "wait"
    return "run"


def elapsed(deploy: Deploy) -> timedelta | None:
    """How long it took, or takes so far."""
    if deploy.started_at is None:
        return None
    return (deploy.finished_at or timezone.now()) - deploy.started_at
