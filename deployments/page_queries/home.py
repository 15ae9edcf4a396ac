"""The first page: a matrix of applications and environments, what happens now, what happened last."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from deployments.models import Deploy, HostRun, Kind
from deployments.page_queries.matrix import Progress, Row, TargetRow, build_rows, read_targets
from deployments.page_queries.words import (
    ALARMS,
    PREPARED,
    Mark,
    count_words,
    mark_of_deploy,
    mark_of_run,
    tell_deploy,
    tell_hosts,
)
from deployments.states import ACTIVE, DeployStatus
from environments.models import Environment, User

SHOWN_NOW = 6
SHOWN_RECENT = 8
SHOWN_SQUARES = 48


@dataclass(slots=True)
class Now:
    """A deploy that is under way or waits."""

    deploy: Deploy
    mark: Mark
    squares: list[Mark]
    more: int
    progress: Progress
    sentence: str


@dataclass(slots=True)
class Home:
    """Everything that the first page shows."""

    headline: str
    environments: Sequence[Environment]
    rows: list[Row]
    now: list[Now]
    more_now: int
    recent: list[tuple[Deploy, Mark, str]]
    mine: int
    attention: int


def read_home(*, user: User) -> Home:
    """Seven queries and one for the squares; their number and size follow the fleet, never the history."""
    # a query that groups has no order of its own
    environments = list(Environment.objects.annotate(hosts=Count("memberships")).order_by("position", "name"))
    targets = read_targets()
    open_deploys = list(open_deploys_of().select_related("target__application", "target__environment"))
    told = [row.latest for row in targets if row.latest and row.status in ALARMS]
    progress = read_progress([deploy.pk for deploy in open_deploys] + told)
    mine = set(Deploy.objects.filter(by=user).order_by("-id").values_list("target_id", flat=True)[:100])
    rows = build_rows(
        environments=environments, targets=targets, open_deploys=open_deploys, progress=progress, mine=mine
    )
    now = _build_now(open_deploys=open_deploys, progress=progress)
    recent = Deploy.objects.select_related("target__application", "target__environment").order_by("-id")[:SHOWN_RECENT]
    return Home(
        headline=_tell_headline(open_deploys=open_deploys, targets=targets),
        environments=environments,
        rows=rows,
        now=now,
        more_now=len(open_deploys) - len(now),
        recent=[(it, mark_of_deploy(it.status), _tell_recent(it)) for it in recent],
        mine=sum(row.mine for row in rows),
        attention=sum(row.attention for row in rows),
    )


def _tell_recent(deploy: Deploy) -> str:
    return tell_deploy(deploy.status, task=deploy.ref if deploy.kind == Kind.TASK else "")


def open_deploys_of() -> QuerySet[Deploy]:
    """Deploys that wait or are under way: by target, oldest first. Found by their index, whatever the history."""
    return Deploy.objects.filter(status__in=(DeployStatus.WAITING, *ACTIVE)).order_by("target_id", "id")


def read_progress(deploys: list[int]) -> dict[int, Progress]:
    """How many hosts of each of these deploys are in which state."""
    found: dict[int, Progress] = defaultdict(Progress)
    counted = HostRun.objects.filter(deploy_id__in=deploys).order_by().values("deploy_id", "status")
    for row in counted.annotate(number=Count("id")):
        found[row["deploy_id"]].counts[row["status"]] = row["number"]
    return found


def _build_now(*, open_deploys: Sequence[Deploy], progress: dict[int, Progress]) -> list[Now]:
    """Active deploys before those that wait, at most SHOWN_NOW, each with a square per host."""
    shown = sorted(open_deploys, key=lambda deploy: (not deploy.is_active, -deploy.pk))[:SHOWN_NOW]
    runs = HostRun.objects.filter(deploy__in=shown).order_by("deploy_id", "region", "zone", "host_name")
    squares: dict[int, list[Mark]] = defaultdict(list)
    for deploy_id, status in runs.values_list("deploy_id", "status"):
        squares[deploy_id].append(mark_of_run(status))
    return [
        Now(
            deploy=deploy,
            mark=PREPARED if deploy.rests else mark_of_deploy(deploy.status),
            squares=squares[deploy.pk][:SHOWN_SQUARES],
            more=max(0, len(squares[deploy.pk]) - SHOWN_SQUARES),
            progress=progress[deploy.pk],
            sentence=_tell_now(deploy, open_deploys, progress[deploy.pk]),
        )
        for deploy in shown
    ]


def _tell_now(deploy: Deploy, open_deploys: Sequence[Deploy], progress: Progress) -> str:
    """Where its hosts are; for one that waits, which deploys are before it."""
    if deploy.status != DeployStatus.WAITING:
        return tell_hosts(progress.counts, goal="done" if deploy.kind == Kind.TASK else "live")
    ahead = [it for it in open_deploys if it.target_id == deploy.target_id and it.number < deploy.number]
    return "For " + ", ".join(f"#{it.number}" for it in ahead) + " to end." if ahead else "Its turn is next."


def _tell_headline(*, open_deploys: Sequence[Deploy], targets: Sequence[TargetRow]) -> str:
    """The page in one sentence with numbers."""
    active = sum(deploy.is_active for deploy in open_deploys)
    waiting = len(open_deploys) - active
    alarms = sum(row.status in ALARMS for row in targets)
    parts = [count_words(active, "deploy under way", "deploys under way")]
    if waiting:
        parts.append(count_words(waiting, "waits", "wait").lower())
    if alarms:
        parts.append(count_words(alarms, "target needs", "targets need").lower() + " someone")
    return ", ".join(parts) + "."
