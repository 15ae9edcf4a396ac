"""Choosing what goes out: the page, what it asks for while one chooses, and the button that says what is in its way."""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments.answers import tag_of
from deployments.blockers import Blocker, blockers, members, must_be_asked, of_revision
from deployments.page_actions import person
from deployments.page_queries.commits import as_changes, read_preview
from deployments.page_queries.outlook import Outlook, read_choice, read_outlook
from deployments.pages import target_or_404
from environments import repositories
from environments.access import DEPLOY, OVERRIDE, VIEW, allows, needs
from environments.addresses import of_target
from environments.models import Target, User

REFS_SHOWN = 12


@require_safe
@needs(VIEW, of_target)
def new_deploy(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Choose what goes out, see what that brings, confirm."""
    found = target_or_404(application=application, environment=environment)
    assert isinstance(request.user, User)
    asked = request.GET.get("ref", "").strip()
    ref = asked or read_choice(request.user, found).ref or found.application.default_branch
    standing = getattr(found, "standing", None)
    context = {"target": found, "ref": ref, "live": standing.live if standing else None}
    return render(request, "deployments/new_deploy.html", context)


@require_safe
@needs(VIEW, of_target)
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
@needs(VIEW, of_target)
def new_deploy_plan(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What would go out, what would not, where to, and whether that is possible now."""
    found = target_or_404(application=application, environment=environment)
    assert isinstance(request.user, User)
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
        "choice": read_choice(request.user, found),
        "outlook": read_outlook(found, preview, live, member_list) if preview.revision else Outlook(),
        "asks": bool(preview.revision) and must_be_asked(found, preview.revision),
    }
    start = _start_of(request, found, preview.ref, preview.revision, blockers(found, by=person(request)))
    return render(request, "deployments/_plan.html", start | context)


def _start_of(
    request: HttpRequest, found: Target, ref: str, revision: str, blocking: list[Blocker]
) -> dict[str, object]:
    """What `_start.html` shows: the button, or what stands in its way."""
    return {
        "target": found,
        "ref": ref,
        "revision": revision,
        "blockers": [blocker for blocker in blocking if blocker.kind != "warning"],
        "warnings": [blocker for blocker in blocking if blocker.kind == "warning"],
        "may_go_over": (found.approvals or any(it.yields for it in blocking)) and allows(request.user, OVERRIDE, found),
        "can_wait": all(blocker.passes for blocker in blocking),
        "lacks_build": any(blocker.kind == "artifact" for blocker in blocking),
        "may_deploy": allows(request.user, DEPLOY, found),
        "number": found.last_number + 1,
        "tag": tag_of(blocking),
    }


@require_safe
@needs(DEPLOY, of_target)
def new_deploy_start(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """The button alone, for a revision whose build another server has or has not: that one may be slow to say so.

    204 when nothing has changed since `known`.
    """
    found = target_or_404(application=application, environment=environment)
    revision = request.GET.get("revision", "")
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise Http404("A revision has 40 hex digits.")
    blocking = [*blockers(found, by=person(request)), *of_revision(found, revision, patient=True)]
    start = _start_of(request, found, request.GET.get("ref", ""), revision, blocking)
    if request.GET.get("known") == start["tag"]:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return render(request, "deployments/_start.html", start)
