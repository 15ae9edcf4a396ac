"""The pages that are read. Each reads by page_queries; page_actions holds what changes something."""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments import rollbacks
from deployments.answers import answer, tag_of
from deployments.blockers import Blocker, active_deploy, blockers, members, must_be_asked, of_revision
from deployments.models import Deploy
from deployments.page_queries.commits import Range, as_changes, read_preview, read_range
from deployments.page_queries.deploy import elapsed, find_deploy, read_deploy
from deployments.page_queries.target import find_target, read_target
from deployments.page_queries.words import mark_of_run
from deployments.refusals import CannotRollBack
from deployments.states import RunStatus
from environments import repositories
from environments.access import DEPLOY, VIEW, allows, needs
from environments.models import Target, User

REFS_SHOWN = 12


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
@needs(VIEW)
def target(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Where one application in one environment stands, and how it came there."""
    found = target_or_404(application=application, environment=environment)
    before = request.GET.get("before", "")
    assert isinstance(request.user, User)
    page = read_target(
        target=found, user=request.user, before=int(before) if before.isdecimal() and len(before) < 10 else None
    )
    may = allows(request.user, DEPLOY, found)
    context = {"page": page, "target": found, "may_deploy": may, "before": before}
    return answer(request, "deployments/target.html", context, tag=tag_of(page, may))


@require_safe
@needs(VIEW)
def new_deploy(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Choose what goes out, see what that brings, confirm."""
    found = target_or_404(application=application, environment=environment)
    ref = request.GET.get("ref", "").strip() or found.application.default_branch
    standing = getattr(found, "standing", None)
    context = {"target": found, "ref": ref, "live": standing.live if standing else None}
    return render(request, "deployments/new_deploy.html", context)


@require_safe
@needs(VIEW)
def new_deploy_refs(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """The choices for what was typed, from the cached mirror."""
    found = target_or_404(application=application, environment=environment)
    query = request.GET.get("ref", "").strip()
    error = ""
    groups: dict[str, list[tuple[str, object]]] = {"commit": [], "branch": [], "tag": []}
    try:
        for ref in repositories.refs(found.application, query, limit=REFS_SHOWN):
            groups[ref.kind].append((ref.name, as_changes([ref.commit])[0]))
    except repositories.RepositoryError as problem:
        error = str(problem)
    named = [
        (title, kind, groups[kind]) for title, kind in (("Commit", "commit"), ("Branches", "branch"), ("Tags", "tag"))
    ]
    return render(request, "deployments/_refs.html", {"groups": named, "query": query, "error": error})


@require_safe
@needs(VIEW)
def new_deploy_plan(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What would go out, what would not, where to, and whether that is possible now."""
    found = target_or_404(application=application, environment=environment)
    standing = getattr(found, "standing", None)
    live = standing.live if standing else None
    ref = request.GET.get("ref", "").strip()
    member_list = list(members(found))
    regions: dict[str, int] = {}
    for member in member_list:
        name = member.host.zone.region.name if member.host.zone else "no region"
        regions[name] = regions.get(name, 0) + 1
    preview = read_preview(application=found.application, ref=ref, live=live.revision if live else "")
    context = {
        "live": live,
        "preview": preview,
        "hosts": len(member_list),
        "host_names": [member.host.name for member in member_list],
        "one_first": request.GET.get("to") == "one",
        "regions": sorted(regions.items()),
        "asks": bool(preview.revision) and must_be_asked(found, preview.revision),
    }
    start = _start_of(request, found, preview.ref, preview.revision, blockers(found))
    return render(request, "deployments/_plan.html", start | context)


def _start_of(
    request: HttpRequest, found: Target, ref: str, revision: str, blocking: list[Blocker]
) -> dict[str, object]:
    """What `_start.html` shows: the button, or what stands in its way."""
    return {
        "target": found,
        "ref": ref,
        "revision": revision,
        "blockers": blocking,
        "can_wait": all(blocker.passes for blocker in blocking),
        "lacks_build": any(blocker.kind == "artifact" for blocker in blocking),
        "may_deploy": allows(request.user, DEPLOY, found),
        "number": found.last_number + 1,
        "tag": tag_of(blocking),
    }


@require_safe
@needs(DEPLOY)
def new_deploy_start(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """The button alone, for a revision whose build another server has or has not: that one may be slow to say so.

    204 when nothing has changed since `known`.
    """
    found = target_or_404(application=application, environment=environment)
    revision = request.GET.get("revision", "")
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise Http404("A revision has 40 hex digits.")
    blocking = [*blockers(found), *of_revision(found, revision, patient=True)]
    start = _start_of(request, found, request.GET.get("ref", ""), revision, blocking)
    if request.GET.get("known") == start["tag"]:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return render(request, "deployments/_start.html", start)


@require_safe
@needs(VIEW)
def deploy(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """One deploy, live: its phases, its hosts, its log."""
    found = deploy_or_404(deploy_id)
    page = read_deploy(found)
    may = allows(request.user, DEPLOY, found.target)
    context = {
        "page": page,
        "deploy": found,
        "target": found.target,
        "may_deploy": may,
        "elapsed": elapsed(found),
        "shapes": [(status, mark_of_run(status)) for status in RunStatus.values],
    }
    tag = tag_of(page, may)
    return answer(request, "deployments/deploy.html", context, tag=tag)


@require_safe
@needs(VIEW)
def rollback_preview(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """What going back to this deploy's release would do, before one does it."""
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
        "may_deploy": allows(request.user, DEPLOY, goal.target),
    }
    return render(request, "deployments/rollback.html", context)


@require_safe
@needs(VIEW)
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
