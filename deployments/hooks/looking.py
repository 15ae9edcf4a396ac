"""What is so of a commit and a target: asked of the database, and of the cached mirror."""

from collections.abc import Sequence

from deployments.hooks.judging import Facts, Reported, Verdict, first_no, of_history
from deployments.models import Check, Deploy, Kind, Standing
from deployments.states import ACTIVE, DeployStatus
from environments import history, repositories
from environments.models import Target
from environments.policies import Rules

S = DeployStatus
_STANDS = (S.WAITING, *ACTIVE, S.PARTIAL, S.NEEDS_ATTENTION)
_RELEASES = (Kind.DEPLOY, Kind.ROLLBACK, Kind.RETRY)


def look(target: Target, rules: Rules, revision: str, told_of: Sequence[str]) -> Facts:
    """The facts of one commit, which the mirror holds. `told_of`: refs that somebody named; without: all it is on.

    Raises RepositoryError.
    """
    application = target.application
    on = history.branches_with(application, revision)
    standing = Standing.objects.filter(target=target).select_related("live").first()
    live = standing.live.revision if standing and standing.live else ""
    main = application.default_branch
    newest = repositories.resolve_known(application, main) if rules.contains_main else ""
    return Facts(
        revision=revision,
        refs=tuple(ref for ref in (told_of or on) if ref in on),
        message=history.message_of(application, revision),
        live=live,
        contains_live=history.contains(application, revision, live) if live else True,
        main=main,
        contains_main=history.contains(application, revision, newest) if newest else True,
        touches=history.touches(application, live, revision, rules.paths) if live and rules.paths else True,
        checks=tuple(Reported(*one) for one in _checks(target, revision)),
        known=_known(target, revision),
        newer=_newer(target, revision, standing),
    )


def overtaken(target: Target, revision: str) -> Verdict | None:
    """Why it must not go there any more. Ask it while the target is held."""
    standing = Standing.objects.filter(target=target).select_related("live").first()
    facts = Facts(revision, (), known=_known(target, revision), newer=_newer(target, revision, standing))
    return first_no(list(of_history(facts)))


def _known(target: Target, revision: str) -> int:
    before = Deploy.objects.filter(target=target, revision=revision, kind=Kind.DEPLOY).order_by("-number")
    return before.values_list("number", flat=True).first() or 0


def _newer(target: Target, revision: str, standing: Standing | None) -> str:
    """An older commit never overtakes a newer one, whether that is live, under way, or waits for its turn."""
    live = standing.live.revision if standing and standing.live else ""
    if live and history.is_older(target.application, revision, live):
        return f"{revision[:7]} is older than {live[:7]}, which is live."
    latest = standing.latest_id if standing else None
    rows = Deploy.objects.filter(target=target, kind__in=_RELEASES, status__in=_STANDS).order_by("-number")
    for one in rows.only("pk", "number", "revision", "status")[:20]:
        ended = one.status in (S.PARTIAL, S.NEEDS_ATTENTION)
        if ended and one.pk != latest:
            continue
        if history.is_older(target.application, revision, one.revision):
            return f"{revision[:7]} is older than {one.revision[:7]} of #{one.number}, which came before it."
    return ""


def _checks(target: Target, revision: str) -> "list[tuple[str, str]]":
    rows = Check.objects.filter(application=target.application_id, revision=revision).order_by("kind", "name")
    return list(rows.values_list("name", "state"))
