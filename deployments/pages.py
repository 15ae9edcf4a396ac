"""The pages that are read. Each reads by page_queries; page_actions holds what changes something."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments import rollbacks
from deployments.addresses import of_deploy
from deployments.answers import answer, tag_of
from deployments.blockers import active_deploy, locked
from deployments.models import Deploy, Kind
from deployments.page_queries.commits import Range, as_changes, read_range
from deployments.page_queries.deploy import elapsed, find_deploy, read_deploy
from deployments.page_queries.target import find_neighbours, find_target, read_target
from deployments.page_queries.words import mark_of_run
from deployments.refusals import CannotRollBack
from deployments.states import RunStatus
from deployments.templatetags.deployer import SIGNS
from environments import locks, repositories
from environments.access import ADMINISTER, DEPLOY, MAINTAIN, REORDER, VIEW, allows, needs
from environments.addresses import of_target
from environments.models import Target, User


def target_or_404(*, application: str, environment: str) -> Target:
    """The target at an address; Http404 when there is none."""
    try:
        return find_target(application=application, environment=environment)
    except Target.DoesNotExist:
        raise Http404(f"No target {application}/{environment}.") from None


def deploy_or_404(deploy_id: int) -> Deploy:
    """The deploy with this id; Http404 when there is none."""
    try:
        return find_deploy(deploy_id)
    except Deploy.DoesNotExist:
        raise Http404(f"No deploy {deploy_id}.") from None


@require_safe
@needs(VIEW, of_target)
def target(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Where one application in one environment stands, and how it came there."""
    assert isinstance(request.user, User)
    neighbours, beside = find_neighbours(application=application, environment=environment, viewer=request.user)
    found = next((one for one in neighbours if one.environment.name == environment), None)
    if found is None:  # or it is an endpoint, which is no neighbour of environments
        found = target_or_404(application=application, environment=environment)
    before = request.GET.get("before", "")
    page = read_target(
        target=found,
        user=request.user,
        before=int(before) if before.isdecimal() and len(before) < 10 else None,
        neighbours=neighbours,
        beside=beside,
    )
    may = allows(request.user, DEPLOY, found)
    more = {
        # an endpoint's rules are its target's
        "may_maintain": allows(request.user, MAINTAIN, found) and not found.name,
        "may_administer": allows(request.user, ADMINISTER),
    }
    context = {"page": page, "target": found, "may_deploy": may, "before": before} | more
    return answer(request, "deployments/target.html", context, tag=tag_of(page, may, more))


@require_safe
@needs(VIEW, of_deploy)
def deploy(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """One deploy, live: its phases, its hosts, its log."""
    found = deploy_or_404(deploy_id)
    assert isinstance(request.user, User)
    page = read_deploy(found, user=request.user)
    goes_on = page.goes_on is not None and allows(request.user, DEPLOY, page.goes_on)
    may = allows(request.user, DEPLOY, found.target)
    reorder = page.behind > 0 and allows(request.user, REORDER, found.target)
    context = {
        "page": page,
        "deploy": found,
        "target": found.target,
        "may_deploy": may,
        "may_go_on": goes_on,
        "may_reorder": reorder,
        "elapsed": elapsed(found),
        "shapes": [(status, mark_of_run(status)) for status in RunStatus.values],
        "signs": list(SIGNS.items()),
        "goal": "done" if found.kind == Kind.TASK else "live",
    }
    tag = tag_of(page, may, goes_on, reorder)
    return answer(request, "deployments/deploy.html", context, tag=tag)


@require_safe
@needs(VIEW, of_deploy)
def rollback_preview(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """What going back to this deploy's release would do, before one does it."""
    assert isinstance(request.user, User)
    goal = deploy_or_404(deploy_id)
    refusal = ""
    try:
        rollbacks.choose(goal.target, goal)
    except CannotRollBack as error:
        refusal = str(error)
    seen = rollbacks.preview(goal.target, goal) if goal.release else None
    context = {
        "goal": goal,
        "target": goal.target,
        "seen": seen,
        "undone": Range(as_changes(seen.undone), seen.undone_count) if seen and seen.undone is not None else None,
        "refusal": refusal,
        "running": active_deploy(goal.target),
        "locks": [locked(lock) for lock in locks.standing_in_the_way(goal.target, by=request.user)],
        "may_deploy": allows(request.user, DEPLOY, goal.target),
    }
    return render(request, "deployments/rollback.html", context)


@require_safe
@needs(VIEW, of_deploy)
def deploy_commits(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """The commits that a deploy brought, for the side of its page; nothing when the mirror no longer has them."""
    found = deploy_or_404(deploy_id)
    before = read_deploy(found).replaces
    application = found.target.application
    try:
        changes = read_range(
            application=application, old=before.revision if before else "", new=found.revision, limit=8
        )
    except (repositories.RepositoryError, FileNotFoundError):  # the latter: no mirror on this machine yet
        return render(request, "deployments/_commits.html", {"deploy": found, "unknown": True})
    return render(request, "deployments/_commits.html", {"deploy": found, "changes": changes, "before": before})
