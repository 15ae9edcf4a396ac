"""Which release: a new one, the last good one, and what a deploy's end says of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from deployments import distances, release_configuration
from deployments.models import Deploy, Kind, Placement, Release, ReleaseKind, Standing, Star
from deployments.states import SWITCHING, DeployStatus, RunStatus
from environments.models import Membership, Target

# a retry or a convergence that fails on some hosts says nothing of a release that is live on the others
_TO_ALL = (Kind.DEPLOY, Kind.ROLLBACK, Kind.CONFIGURATION)


def make(target: Target, revision: str, ref: str) -> Release:
    """A new release of `revision`; the target must be locked, for the name tells the second."""
    release = build(target, revision, ref)
    release.save()
    return release


def build(target: Target, revision: str, ref: str) -> Release:
    """The same, not stored."""
    at = _next_second(target)
    while Release.objects.filter(target=target, name=(name := f"{at:%Y%m%d%H%M%S}-{revision[:7]}")).exists():
        at += timedelta(seconds=1)
    given = ReleaseKind.ARCHIVE if target.application.streamed else ReleaseKind.TREE
    kind = ReleaseKind.COMMAND if target.command else given
    release = Release(target=target, name=name, revision=revision, ref=ref, kind=kind)
    release_configuration.stamp(release)
    return release


def _next_second(target: Target) -> datetime:
    """Now, or after the newest release where the clock was set back: hosts go by the order of the names."""
    now: datetime = timezone.now()
    newest = Release.objects.filter(target=target).aggregate(newest=Max("name"))["newest"] or ""
    try:
        latest = datetime.strptime(newest[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:  # none yet, or another tool's name
        return now
    return max(now, latest + timedelta(seconds=1))


def last_good(target: Target, *, before: Release | None = None) -> Deploy | None:
    """The newest deploy that succeeded with a release from before the newest one that serves on any host.

    `before` is the release to go behind instead, as of a deploy that is being stopped.
    """
    limit = before.pk if before else Placement.objects.filter(target=target).aggregate(newest=Max("current"))["newest"]
    if limit is None:
        return None
    good = Deploy.objects.filter(target=target, status=DeployStatus.SUCCEEDED, release__bad=False, release__lt=limit)
    return good.select_related("release").order_by("-release", "-id").first()


def newer_switch(deploy: Deploy) -> Deploy | None:
    """The newest later deploy of the target that has switched a host, or may have: nobody could ask."""
    switched = Q(runs__switched_at__isnull=False) | Q(runs__status=RunStatus.UNKNOWN, runs__step=SWITCHING)
    later = Deploy.objects.filter(switched, target=deploy.target_id, number__gt=deploy.number)
    return later.order_by("-number").first()


def lacking_hosts(release: Release, members: Sequence[Membership]) -> list[str]:
    """Names of the hosts that do not hold the release any more."""
    holding = holders(release)
    return [member.host.name for member in members if member.host_id not in holding]


def holders(release: Release) -> set[int]:
    """Ids of the hosts that hold the release, whole."""
    return set(Placement.objects.filter(held__release=release, colour="").values_list("host_id", flat=True))


def differing(target: Target) -> QuerySet[Placement]:
    """Where hosts were last seen to run something else than what is live."""
    return Placement.objects.filter(target=target, colour="").exclude(drift="").order_by("host__name")


def judge(deploy: Deploy, status: str) -> None:
    """What this end says of the release and of where the target stands."""
    if deploy.kind == Kind.TASK:
        return
    went_live = deploy.runs.filter(status=RunStatus.LIVE).exists()
    if went_live:
        Standing.objects.filter(target=deploy.target).update(live=deploy)
        distances.request(deploy.target.application_id)
    if status == DeployStatus.SUCCEEDED:
        Release.objects.filter(deploys=deploy).update(bad=False)
    elif status == DeployStatus.FAILED and deploy.kind in _TO_ALL and _was_switched_to(deploy):
        # it was switched to and then failed: a person may still choose it, nobody gets it unasked
        Release.objects.filter(deploys=deploy).update(bad=True)


def forget_target(target: Target) -> None:
    """Nothing of it lies on hosts any more; its history stays."""
    Placement.objects.filter(target=target).delete()
    Star.objects.filter(target=target).delete()
    Standing.objects.filter(target=target).update(live=None)


def _was_switched_to(deploy: Deploy) -> bool:
    """By this very deploy, and it is still there. What served before and could not be brought again is not bad."""
    return (
        deploy.runs.filter(switched_at__isnull=False).exists()
        and Placement.objects.filter(target=deploy.target, current=deploy.release_id).exists()
    )
