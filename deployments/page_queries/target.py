"""The page of a target: where it stands, what each host runs, the history, the environments around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from deployments import release_configuration
from deployments.blockers import Blocker, Known, blockers
from deployments.models import Deploy, HeldRelease, HostRun, Kind, Star
from deployments.page_queries.endpoints import Beside, offer_at, tell_endpoint
from deployments.page_queries.hosts_now import RegionNow, build_regions, read_hosts, tell_live
from deployments.page_queries.locks import LockCard, cards_of_target
from deployments.page_queries.stages import Stage, mark_of, read_stages, targets_in_order
from deployments.page_queries.words import Mark
from deployments.states import ACTIVE, WENT_LIVE, DeployStatus, RunStatus
from deployments.untold import DEPLOY, PERSON, RELEASE, untold, untold_of_waiting
from environments import locks, sight, target_words, windows
from environments.models import EndpointOffer, Lock, Target, Task, User

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
    endpoints: list[Beside]
    offer: EndpointOffer | None

    @property
    def locked(self) -> bool:
        """Whether a lock of somebody else keeps the viewer from deploying."""
        return any(blocker.kind == "lock" for blocker in self.blockers)

    @property
    def barriers(self) -> list[Blocker]:
        """What keeps the button from deploying; a warning only asks."""
        return [blocker for blocker in self.blockers if blocker.kind != "warning"]


def find_target(*, application: str, environment: str) -> Target:
    """The target at an address; `environment` is a place. Raises Target.DoesNotExist."""
    related = (
        *("application", "environment__endpoint_offer", "approvers", "parent__environment", "endpoint__by"),
        *("standing__live__release", "standing__latest"),
    )
    found = Target.objects.select_related(*related).annotate(frozen=windows.frozen())
    found = found.defer(*untold("endpoint__by", PERSON))
    return found.get(application__name=application, **target_words.at(environment))


def find_neighbours(*, application: str, environment: str, viewer: User) -> tuple[list[Target], list[Target]]:
    """The targets of an application that `viewer` may see, each `starred` or not, as read_stages takes them.

    And the endpoints of the one in this environment. One query.
    """
    found = targets_in_order(environment).filter(sight.of_targets(viewer), application__name=application)
    starred = Exists(Star.objects.filter(person=viewer, target=OuterRef("pk")))
    found = found.select_related("standing__live__release", "approvers", "endpoint")
    found = found.defer(*untold("standing__live__release", RELEASE))
    rows = list(found.annotate(starred=starred, frozen=windows.frozen()))
    return [row for row in rows if not row.name], [row for row in rows if row.name]


def read_target(
    *,
    target: Target,
    user: User,
    before: int | None = None,
    neighbours: Sequence[Target] | None = None,
    beside: Sequence[Target] = (),
) -> TargetPage:
    """A fixed number of queries; the history comes a page at a time, from the deploys numbered below `before`.

    `neighbours` and `beside`: what find_neighbours found, where somebody has asked already.
    """
    standing = getattr(target, "standing", None)
    live, latest = (standing.live, standing.latest) if standing else (None, None)
    hosts = read_hosts(target, live)
    history, standing_locks = _read_past(target, before, live), locks.applying(target)
    waiting_or_active = _read_open(target, standing_locks, user)
    opened = [deploy for deploy in waiting_or_active if deploy.target_id == target.pk]
    card, wider = cards_of_target(target, user, standing_locks, waiting_or_active)
    active = next((deploy for deploy in opened if deploy.is_active), None)
    waiting = [deploy for deploy in reversed(opened) if not deploy.is_active and not deploy.met_lock_id]
    known = Known(standing_locks, active, any(host.mark.shape != "h-skipped" for host in hosts), waiting)
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
        stages=read_stages(target.application, current=target, user=user, targets=neighbours),
        regions=build_regions(hosts),
        hosts=len(hosts),
        history=history[:PAGE],
        tasks=list(target.tasks.all()),
        reconfigure=live is not None and release_configuration.differs(target, live.release),
        starred=_is_starred(target, user),
        older=history[PAGE - 1].deploy.number if len(history) > PAGE else None,
        endpoints=[] if target.name else list(map(tell_endpoint, beside)),
        offer=offer_at(target),
    )


def _is_starred(target: Target, user: User) -> bool:
    known: bool | None = getattr(target, "starred", None)
    return Star.objects.filter(person=user, target=target).exists() if known is None else known


def _read_past(target: Target, before: int | None, live: Deploy | None) -> list[Past]:
    """A page of the history and one more, the newest first. One query, which counts only what the page tells."""
    rows = Deploy.objects.filter(target=target).select_related("release").order_by("-number")
    rows = rows.defer(*DEPLOY, *untold("release", ("configuration", *RELEASE)))
    if before is not None:
        rows = rows.filter(number__lt=before)
    runs = HostRun.objects.filter(deploy=OuterRef("pk"))
    counted = rows.annotate(
        on_hosts=_count(HeldRelease.objects.filter(release=OuterRef("release"), placement__target=target)),
        came_live=_if_partial(runs.filter(status=RunStatus.LIVE)),
        went_to=_if_partial(runs),
    )
    found = []
    for deploy in counted[: PAGE + 1]:
        mark = mark_of(deploy)
        words = _tell_result(deploy, mark=mark, live=live, hosts=(deploy.came_live, deploy.went_to))
        action = _choose_action(deploy, live=live, held=deploy.on_hosts > 0)
        found.append(Past(deploy, mark, words, action, deploy.on_hosts))
    return found


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many there are, within another query."""
    alike = rows.order_by().annotate(alike=Value(1)).values("alike")
    return Coalesce(Subquery(alike.annotate(number=Count("pk")).values("number")), 0)


def _if_partial(rows: QuerySet[HostRun]) -> Case:
    return Case(When(status=DeployStatus.PARTIAL, then=_count(rows)), default=0)


def _read_open(target: Target, standing: Sequence[Lock], viewer: User) -> list[Deploy]:
    """What waits or is under way here, and what waits elsewhere since it met one of these locks; the newest first."""
    wanted = Q(target=target)
    if standing:
        wanted |= Q(status=DeployStatus.WAITING, met_lock__in=[lock.pk for lock in standing])
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock")
    rows = Deploy.objects.filter(wanted, status__in=(DeployStatus.WAITING, *ACTIVE))
    rows = rows.filter(Q(target=target) | sight.of_targets(viewer, "target__")) if standing else rows
    return list(rows.select_related(*related).defer(*untold_of_waiting()).order_by("-number"))


def _choose_action(deploy: Deploy, *, live: Deploy | None, held: bool) -> str:
    """Roll back where hosts still hold a good release, else lay it out anew; nothing for what has no end yet."""
    if deploy.finished_at is None:
        return ""
    if deploy.kind == Kind.TASK:
        return "again"
    current = live is not None and deploy.release_id == live.release_id
    good = deploy.release is not None and not deploy.release.bad and deploy.status in WENT_LIVE
    return "rollback" if held and good and not current else "redeploy"


def _tell_result(deploy: Deploy, *, mark: Mark, live: Deploy | None, hosts: tuple[int, int]) -> str:
    if deploy.status == DeployStatus.PARTIAL:
        return f"{hosts[0]} of {hosts[1]} hosts"
    if live is not None and deploy.pk == live.pk:
        return "Live"
    if deploy.status == DeployStatus.SUCCEEDED and deploy.kind == "rollback":
        return "Rolled back"
    return mark.words
