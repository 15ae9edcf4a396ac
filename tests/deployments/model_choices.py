"""What people may choose to deploy again: a model of the rules for retry, rollback and cancel, over plain rows."""

from contextlib import suppress

from deployments import lifecycle
from deployments.models import Deploy, Kind, Placement
from deployments.states import FINAL, DeployStatus
from tests.deployments.model_world import REFUSALS, World


def retry(world: World, deploy: Deploy) -> None:
    """Accepted only if nothing later has switched a host: it would take hosts back unasked."""
    with suppress(*REFUSALS):
        lifecycle.retry(deploy, by=world.by)
        if deploy.kind != Kind.TASK:
            later = [one for one in _all(world) if one.number > deploy.number and _switched(one)]
            assert not later, f"{deploy} was retried after {later} had switched hosts"


def roll_back(world: World) -> None:
    """Without a choice: to the newest good release before the newest that serves, or not at all when there is none."""
    places = Placement.objects.filter(target=world.target, current__isnull=False)
    serves = max(places.values_list("current", flat=True), default=0)
    succeeded = [one.release for one in _all(world) if one.status == DeployStatus.SUCCEEDED and one.release]
    good = [release.pk for release in succeeded if not release.bad and release.pk < serves]
    goal: int | None = None
    try:
        goal = lifecycle.roll_back(world.target, by=world.by).release_id
    except lifecycle.CannotRollBack:
        pass
    except REFUSALS:
        return
    assert goal == max(good, default=None), f"rolled back to {goal}, good were {good} of those before {serves}"


def roll_back_to(world: World, deploy: Deploy) -> None:
    """With a choice: only to what has gone live."""
    with suppress(*REFUSALS):
        lifecycle.roll_back(world.target, to=deploy, by=world.by)
        went_live = (DeployStatus.SUCCEEDED, DeployStatus.PARTIAL)
        assert deploy.status in went_live, f"{deploy} is {deploy.status}, and was rolled back to"
        assert deploy.kind != Kind.TASK, f"the task {deploy} has no release to go back to"


def cancel(world: World, deploy: Deploy) -> None:
    """What is over cannot be cancelled."""
    with suppress(lifecycle.NothingToCancel):
        lifecycle.request_cancel(deploy, by=world.by)
        raise AssertionError(f"{deploy} was {deploy.status}, and could be cancelled")


def final(world: World, back: int) -> Deploy | None:
    """The one that ended so many before the newest of those that are over."""
    over = Deploy.objects.filter(target=world.target, status__in=FINAL).order_by("-number")
    return over[min(back, over.count() - 1)] if over.exists() else None


def _all(world: World) -> list[Deploy]:
    return list(Deploy.objects.filter(target=world.target).select_related("release"))


def _switched(deploy: Deploy) -> bool:
    return deploy.runs.filter(switched_at__isnull=False).exists()
