"""The page of a target: where it stands, what each host runs, the history, the environments around it."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from deployments import release_configuration
from deployments.blockers import Blocker, Known, blockers
from deployments.models import Deploy, HeldRelease, Kind, Star
from deployments.page_queries.home import read_progress
from deployments.page_queries.hosts_now import RegionNow, build_regions, read_hosts, tell_live
from deployments.page_queries.locks import LockCard, cards_of_target
from deployments.page_queries.matrix import Progress
from deployments.page_queries.stages import Stage, mark_of, read_stages
from deployments.page_queries.words import Mark
from deployments.states import ACTIVE, WENT_LIVE, DeployStatus
from environments import locks
from environments.models import Target, Task, User

PAGE = 25


@dataclass(slots=True)
class Past:
    """A row of the history; `action` is what a click on it would do: redeploy, rollback, again (a task) or nothing."""

    deploy: Deploy
    mark: Mark
    words: str
    action: str
    held: int


@dataclass(slots=True)
class TargetPage:
    """Everything that the page of a target shows."""

    target: Target
    live: Deploy | None
    latest: Deploy | None
    headline: str
    drift: int
    blockers: list[Blocker]
    lock: LockCard
    wider: list[LockCard]
    held: list[Deploy]
    stages: list[Stage]
    regions: list[RegionNow]
    hosts: int
    history: list[Past]
    tasks: list[Task]
    starred: bool
    reconfigure: bool
    older: int | None

    @property
    def locked(self) -> bool:
        """Whether a lock of somebody else keeps the viewer from deploying."""
        return any(blocker.kind == "lock" for blocker in self.blockers)

    @property
    def barriers(self) -> list[Blocker]:
        """What keeps the button from deploying; a warning only asks."""
        return [blocker for blocker in self.blockers if blocker.kind != "warning"]


def find_target(*, application: str, environment: str, viewer: User | None = None) -> Target:
    """The target at an address, `starred` by this viewer or not. Raises Target.DoesNotExist."""
    found = Target.objects.select_related("application", "environment", "standing__live__release", "standing__latest")
    if viewer is not None:
        found = found.annotate(starred=Exists(Star.objects.filter(person=viewer, target=OuterRef("pk"))))
    return found.get(application__name=application, environment__name=environment, name="")


def read_target(*, target: Target, user: User, before: int | None = None) -> TargetPage:
    """A fixed number of queries; the history comes a page at a time, from the deploys numbered below `before`."""
    standing = getattr(target, "standing", None)
    live, latest = (standing.live, standing.latest) if standing else (None, None)
    hosts = read_hosts(target, live)
    past = Deploy.objects.filter(target=target).select_related("release").order_by("-number")
    if before is not None:
        past = past.filter(number__lt=before)
    found = list(past[: PAGE + 1])
    standing_locks, opened = locks.applying(target), list(_read_open(target))
    card, wider = cards_of_target(target, user, standing_locks)
    active = next((deploy for deploy in opened if deploy.is_active), None)
    waits = any(deploy.status == DeployStatus.WAITING and not deploy.met_lock_id for deploy in opened)
    known = Known(standing_locks, active, any(host.mark.shape != "h-skipped" for host in hosts), waits)
    drift = sum(host.mark.tone == "warn" for host in hosts)
    return TargetPage(
        target=target,
        live=live,
        latest=latest,
        headline=tell_live(hosts),
        drift=drift,
        blockers=blockers(target, by=user, known=known),
        lock=card,
        wider=wider,
        held=[deploy for deploy in opened if deploy.met_lock_id],
        stages=read_stages(target.application, current=target, user=user),
        regions=build_regions(hosts),
        hosts=len(hosts),
        history=_build_history(target=target, found=found[:PAGE], live=live, hosts=len(hosts)),
        tasks=list(target.tasks.all()),
        reconfigure=live is not None and release_configuration.differs(target, live.release),
        starred=_is_starred(target, user),
        older=found[PAGE - 1].number if len(found) > PAGE else None,
    )


def _is_starred(target: Target, user: User) -> bool:
    known: bool | None = getattr(target, "starred", None)
    return Star.objects.filter(person=user, target=target).exists() if known is None else known


def _read_open(target: Target) -> QuerySet[Deploy]:
    """What waits or is under way, by the index of open deploys."""
    found = Deploy.objects.filter(target=target, status__in=(DeployStatus.WAITING, *ACTIVE))
    return found.select_related("met_lock").defer("plan", "recipe").order_by("-number")


def _build_history(*, target: Target, found: list[Deploy], live: Deploy | None, hosts: int) -> list[Past]:
    progress = read_progress([deploy.pk for deploy in found if deploy.status == DeployStatus.PARTIAL])
    releases = [deploy.release_id for deploy in found if deploy.release_id]
    counted = HeldRelease.objects.filter(release_id__in=releases, placement__target=target).values("release_id")
    held = {row["release_id"]: row["number"] for row in counted.annotate(number=Count("id"))}
    rows = []
    for deploy in found:
        mark = mark_of(deploy)
        on_hosts = held.get(deploy.release_id or 0, 0)
        action = _choose_action(deploy, live=live, held=on_hosts > 0)
        words = _tell_result(deploy, mark=mark, live=live, progress=progress[deploy.pk])
        rows.append(Past(deploy, mark, words, action, on_hosts))
    return rows


def _choose_action(deploy: Deploy, *, live: Deploy | None, held: bool) -> str:
    """Roll back where hosts still hold a good release, else lay it out anew; nothing for what has no end yet."""
    if deploy.finished_at is None:
        return ""
    if deploy.kind == Kind.TASK:
        return "again"
    current = live is not None and deploy.release_id == live.release_id
    good = deploy.release is not None and not deploy.release.bad and deploy.status in WENT_LIVE
    return "rollback" if held and good and not current else "redeploy"


def _tell_result(deploy: Deploy, *, mark: Mark, live: Deploy | None, progress: Progress) -> str:
    if deploy.status == DeployStatus.PARTIAL:
        return f"{progress.live} of {progress.total} hosts"
    if live is not None and deploy.pk == live.pk:
        return "Live"
    if deploy.status == DeployStatus.SUCCEEDED and deploy.kind == "rollback":
        return "Rolled back"
    return mark.words
