"""An endpoint from its first deploy to the last of it: made from a branch, and taken away again."""

import logging

from django.db import transaction

from deployments import blockers, recipe_file, recipes, release_configuration, releases
from deployments.lifecycle.beginning import begin
from deployments.lifecycle.ending import end_waiting
from deployments.lifecycle.moves import lock
from deployments.lifecycle.passing import NOTHING_SAID, Passing
from deployments.models import Deploy, HostRun, Kind, Trigger
from deployments.states import ACTIVE, DeployStatus
from environments import access, endpoints, repositories
from environments.models import Endpoint, Membership, Target, User

logger = logging.getLogger(__name__)


def make_endpoint(
    parent: Target,
    branch: str,
    *,
    by: User | None,
    name: str = "",
    hours: int | None = None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
    """An endpoint of `parent` with its first deploy, which waits for whatever is in its way.

    Raises EndpointError, NotAllowed, RepositoryError, Blocked; then nothing was made.
    """
    access.require(by, access.DEPLOY, parent)
    endpoints.offer_of(parent)
    # before the transaction, as for every deploy
    revision = repositories.resolve(parent.application, branch)
    file = recipe_file.read(parent.application, revision)
    release_configuration.check(parent, revision, lambda: [one.host for one in blockers.members(parent)])
    missing = blockers.of_revision(parent, revision)
    with transaction.atomic():
        target = endpoints.make(parent, branch, by=by, name=name, hours=hours).target
        lock(target)
        return begin(
            target=target,
            release=releases.make(target, revision, branch),
            ref=branch,
            revision=revision,
            recipe=recipes.snapshot(target, file),
            members=blockers.listed(blockers.members(target)),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=True,
            kind=Kind.DEPLOY,
            missing=missing,
            said=said,
        )


def take_away(
    endpoint: Endpoint, *, by: User | None, trigger: str = Trigger.PAGE, automatic: bool = False, why: str = ""
) -> Deploy:
    """Stop what serves, then remove its folder on every host; once nothing is left, its port and name are free.

    What waits for it is cancelled, what runs is waited for. Raises EndpointGone, NotAllowed, Blocked.
    """
    target = endpoint.target
    access.require(by, access.DEPLOY, target)
    with transaction.atomic():
        lock(target)
        _cancel_waiting(target, by)
        if not endpoints.begin_ending(endpoint):
            raise endpoints.EndpointGone(f"{target.slug} is gone already. Nothing was changed.")
        members = _wherever_it_may_lie(target)
        if not members:
            raise blockers.Blocked(target, [blockers.no_hosts(target)])
        endpoints.record("endpoint.taken_away", endpoint, by=by, why=f": {why}" if why else "")
        return begin(
            target=target,
            release=None,
            ref=recipes.TAKE_AWAY,
            revision="",
            recipe=recipes.away_snapshot(target, _newest_file(target)),
            members=members,
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=True,
            kind=Kind.TASK,
        )


def _wherever_it_may_lie(target: Target) -> list[Membership]:
    """The hosts that serve it, set aside or not, and all that it was brought to: they may serve other things since."""
    found = blockers.listed(blockers.members(target, aside=True))
    known = {one.host_id for one in found}
    runs = HostRun.objects.filter(deploy__target=target, deploy__requested_at__gte=target.endpoint.made_at)
    others = runs.exclude(host=None).exclude(host__in=known).select_related("host").order_by("pk")
    last = {run.host_id: run for run in others}  # with the roles that it had there
    return found + [Membership(environment=target.environment, host=run.host, roles=run.roles) for run in last.values()]


def _cancel_waiting(target: Target, by: User | None) -> None:
    """In a transaction that holds the target."""
    waiting = Deploy.objects.filter(target=target, status=DeployStatus.WAITING).select_related("target")
    for deploy in waiting.order_by("-number"):
        end_waiting(deploy, "Its endpoint is taken away.", by=by)


def _newest_file(target: Target) -> recipe_file.RecipeFile | None:
    """What the repository said of the release that was deployed last: it may have steps that stop."""
    last = Deploy.objects.filter(target=target, release__isnull=False).order_by("-number").first()
    return recipes.file_of(last) if last else None


def look_after_endpoints() -> None:
    """Take away those whose time is over, remind of those whose end is near. Every worker looks."""
    for endpoint in endpoints.due():
        if Deploy.objects.filter(target=endpoint.target, status__in=ACTIVE, ref=recipes.TAKE_AWAY).exists():
            continue
        try:
            take_away(endpoint, by=None, trigger=Trigger.SYSTEM, automatic=True, why="its time is over")
        except (endpoints.EndpointError, blockers.Blocked) as refusal:
            logger.info("%s is not taken away now: %s", endpoint, refusal)
    endpoints.remind()
