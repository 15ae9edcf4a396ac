"""Only the configuration goes out: what is live, laid out anew with the values of now."""

from django.db import transaction

from deployments import blockers, recipes, release_configuration, releases
from deployments.lifecycle.beginning import begin
from deployments.lifecycle.moves import lock
from deployments.lifecycle.passing import NOTHING_SAID, Passing
from deployments.models import Deploy, Kind, Standing, Trigger
from deployments.refusals import NothingToReconfigure
from environments import access
from environments.models import Target, User


def deploy_configuration(
    target: Target,
    *,
    by: User | None,
    trigger: str = Trigger.PAGE,
    automatic: bool = False,
    wait: bool = False,
    said: Passing = NOTHING_SAID,
) -> Deploy:
    """A new release of the live revision, with its steps as of then and the configuration of now, for all hosts.

    Raises NothingToReconfigure, ConfigurationUnusable, Blocked, NotAllowed.
    """
    access.require(by, access.DEPLOY, target)
    found = _live(target)
    release_configuration.check(
        target, found.revision, lambda: [one.host for one in blockers.listed(blockers.members(target))]
    )
    with transaction.atomic():
        lock(target)
        live = _live(target)
        return begin(
            target=target,
            release=releases.make(target, live.revision, live.ref),
            ref=live.ref,
            revision=live.revision,
            recipe=recipes.snapshot(target, recipes.file_of(live)),
            members=blockers.listed(blockers.members(target)),
            by=by,
            trigger=trigger,
            automatic=automatic,
            wait=wait,
            kind=Kind.CONFIGURATION,
            of=live,
            said=said,
        )


def _live(target: Target) -> Deploy:
    """What is live, if it has another configuration than hosts would get now. Raises NothingToReconfigure."""
    standing = Standing.objects.filter(target=target).select_related("live__release").first()
    live = standing.live if standing else None
    if live is None or live.release is None:
        raise NothingToReconfigure(f"Nothing is live on {target.slug} yet; the first deploy brings its configuration.")
    if not release_configuration.differs(target, live.release):
        raise NothingToReconfigure(f"The configuration of {target.slug} is live already. Nothing was deployed.")
    return live
