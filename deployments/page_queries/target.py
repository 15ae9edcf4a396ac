"""The page of a target: where it stands, what each host runs, the history, the environments around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db.models import Count

from deployments.blockers import Blocker, blockers, members
from deployments.models import Deploy, Drift, HeldRelease, Kind, Placement
from deployments.page_queries.home import read_progress
from deployments.page_queries.matrix import Progress
from deployments.page_queries.stages import Stage, mark_of, read_stages
from deployments.page_queries.words import Mark
from deployments.states import WENT_LIVE, DeployStatus
from environments.models import Membership, Target, Task

PAGE = 25


@dataclass(slots=True)
class HostNow:
    """A host and what it runs for this target."""

    name: str
    zone: str
    mark: Mark
    revision: str
    seen: str
    seen_at: datetime | None
    since: datetime | None


@dataclass(slots=True)
class RegionNow:
    """The hosts of one region."""

    name: str
    hosts: list[HostNow]


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
    stages: list[Stage]
    regions: list[RegionNow]
    hosts: int
    history: list[Past]
    tasks: list[Task]
    older: int | None


def find_target(*, application: str, environment: str) -> Target:
    """The target at an address. Raises Target.DoesNotExist."""
    found = Target.objects.select_related("application", "environment", "standing__live__release", "standing__latest")
    return found.get(application__name=application, environment__name=environment, name="")


def read_target(*, target: Target, before: int | None = None) -> TargetPage:
    """A fixed number of queries; the history comes a page at a time, from the deploys numbered below `before`."""
    standing = getattr(target, "standing", None)
    live, latest = (standing.live, standing.latest) if standing else (None, None)
    member_list = list(members(target, aside=True))
    hosts = _read_hosts(target=target, member_list=member_list, live=live)
    past = Deploy.objects.filter(target=target).select_related("release").order_by("-number")
    if before is not None:
        past = past.filter(number__lt=before)
    found = list(past[: PAGE + 1])
    drift = sum(host.mark.tone == "warn" for host in hosts)
    return TargetPage(
        target=target,
        live=live,
        latest=latest,
        headline=_tell_live(hosts),
        drift=drift,
        blockers=blockers(target),
        stages=read_stages(target.application, current=target),
        regions=_by_region(hosts, member_list),
        hosts=len(hosts),
        history=_build_history(target=target, found=found[:PAGE], live=live, hosts=len(hosts)),
        tasks=list(target.tasks.all()),
        older=found[PAGE - 1].number if len(found) > PAGE else None,
    )


def _read_hosts(*, target: Target, member_list: Sequence[Membership], live: Deploy | None) -> list[HostNow]:
    """What every host really runs: what it said when it was last asked, not what history says."""
    placements = Placement.objects.filter(target=target, colour="").select_related("current")
    placed = {placement.host_id: placement for placement in placements}
    found = []
    for member in member_list:
        placement = placed.get(member.host_id)
        zone = member.host.zone
        mark = _mark_of_host(placement, live)
        if member.host.aside:
            mark = Mark("h-skipped", "idle", f"{member.host.aside}: {member.host.aside_why}")
        current = placement.current if placement else None
        found.append(
            HostNow(
                name=member.host.name,
                zone=zone.name if zone else "",
                mark=mark,
                revision=current.revision if current else "",
                seen=_tell_seen(placement),
                seen_at=placement.seen_at if placement else None,
                since=placement.switched_at if placement else None,
            )
        )
    return found


def _mark_of_host(placement: Placement | None, live: Deploy | None) -> Mark:
    if placement is not None and placement.drift:
        return Mark("h-drift", "warn", placement.get_drift_display())
    if placement is None or placement.current is None:
        return Mark("h-waiting", "idle", "nothing yet")
    if live is None or placement.current.revision == live.revision:
        return Mark("h-live", "ok", "live")
    return Mark("h-drift", "warn", "differs")


def _tell_seen(placement: Placement | None) -> str:
    """What a host runs that differs from what we put there: the release's name as the host says it."""
    if placement is None or not placement.drift or placement.drift == Drift.BEHIND:
        return ""
    return {Drift.NOTHING: "nothing", Drift.BROKEN: "broken link"}.get(Drift(placement.drift), placement.seen)


def _by_region(hosts: Sequence[HostNow], member_list: Sequence[Membership]) -> list[RegionNow]:
    named = {member.host.name: member.host.zone.region.name if member.host.zone else "" for member in member_list}
    ordered = sorted(hosts, key=lambda host: (named[host.name], host.zone, host.name))
    return [RegionNow(name, list(group)) for name, group in groupby(ordered, key=lambda host: named[host.name])]


def _tell_live(hosts: Sequence[HostNow]) -> str:
    """`on 5 of 6 hosts` or `on all 6 hosts`."""
    live = sum(host.mark.shape == "h-live" for host in hosts)
    if live == len(hosts):
        return "on its only host" if live == 1 else f"on all {live} hosts"
    return f"on {live} of {len(hosts)} hosts"


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
