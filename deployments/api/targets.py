"""Targets: where they stand, and deploying to them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status

from deployments import lifecycle, rehearsal, rollbacks
from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Id, Name, Place, page
from deployments.api.problems import NotFound, Unacceptable
from deployments.api.representation import (
    absolute,
    deploys,
    represent,
    represent_blockers,
    represent_time,
    summarize,
)
from deployments.api.schemas import (
    ApprovalRule,
    Converge,
    DeployOut,
    Page,
    ProblemOut,
    RehearsalOut,
    Rehearse,
    RollBack,
    RollBackPreview,
    StartDeploy,
    TargetOut,
    TargetSummary,
)
from deployments.blockers import active_deploy, blockers, members
from deployments.models import Deploy, Placement, Standing, Trigger
from environments import sight, target_words, windows
from environments.access import ADMINISTER, DEPLOY, VIEW
from environments.approval_rules import set_approvals as set_rule
from environments.models import Target, Team

router = Router(tags=["targets"])
MADE: Any = {201: DeployOut, 409: ProblemOut}


@router.get("/targets", auth=Needs(VIEW), response=Page[TargetSummary], summary="Targets and what is live there")
def list_targets(
    request: HttpRequest, application: Name | None = None, environment: Name | None = None, cursor: Cursor = ""
) -> dict[str, Any]:
    wanted = {"application__name": application, "environment__name": environment}
    rows = _targets().filter(name="").filter(sight.of_targets(caller_of(request).user))
    rows = rows.filter(**{field: value for field, value in wanted.items() if value})
    return page(rows, key="pk", cursor=cursor, represent=summarize_target)


@router.get(
    "/targets/{application}/{place:environment}",
    auth=Needs(VIEW),
    response=TargetOut,
    summary="One target, and what each of its hosts runs",
)
def read_target(request: HttpRequest, application: Name, environment: Place) -> dict[str, Any]:
    target = find_target(request, application, environment, among=_targets())
    caller = caller_of(request)
    found = blockers(target, by=caller.user, automatic=caller.machine)
    return {**summarize_target(target), "blockers": represent_blockers(found), "hosts": _hosts(target)}


@router.post("/targets/{application}/{place:environment}/deploys", auth=Needs(DEPLOY), response=MADE, summary="Deploy")
def start_deploy(
    request: HttpRequest,
    response: HttpResponse,
    application: Name,
    environment: Place,
    payload: StartDeploy | None = None,
) -> Status[Any]:
    asked = payload or StartDeploy()
    target = find_target(request, application, environment)
    caller = caller_of(request)
    deploy = lifecycle.request_deploy(
        target=target,
        ref=asked.ref or target.application.default_branch,
        by=caller.user,
        trigger=trigger_of(request),
        automatic=caller.machine,
        wait=asked.wait,
        hold=asked.hold,
        flip_at=asked.flip_at,
        hosts=asked.hosts,
        said=lifecycle.Passing(confirmed=asked.confirm, override=asked.override),
    )
    return made(response, deploy)


@router.post(
    "/targets/{application}/{place:environment}/rehearsal",
    auth=Needs(DEPLOY),
    response=RehearsalOut,
    summary="A dry run: the programs that would run, and what they would change",
)
def rehearse(
    request: HttpRequest, application: Name, environment: Place, payload: Rehearse | None = None
) -> dict[str, Any]:
    asked = payload or Rehearse()
    target = find_target(request, application, environment)
    seen = rehearsal.rehearse(target, asked.ref or target.application.default_branch, by=caller_of(request).user)
    return {
        "ref": seen.ref,
        "revision": seen.revision,
        "release": seen.release,
        "exact": seen.exact,
        "once_on": seen.once_on,
        "changes": [
            {"revision": it.old, "hosts": it.hosts, "files": [list(file) for file in it.files], "number": it.number}
            for it in seen.changes
        ],
        "hosts": [
            {
                "host": it.host,
                "region": it.region,
                "zone": it.zone,
                "roles": it.roles,
                "revision": it.now,
                "programs": [{"phase": phase, "text": text} for phase, text in it.texts],
            }
            for it in seen.hosts
            if asked.host in (None, it.host)
        ],
        "blockers": represent_blockers(seen.blockers),
    }


@router.post(
    "/targets/{application}/{place:environment}/rollback",
    auth=Needs(DEPLOY),
    response=MADE,
    summary="Make an earlier release live again",
)
def roll_back(
    request: HttpRequest, response: HttpResponse, application: Name, environment: Place, payload: RollBack | None = None
) -> Status[Any]:
    target = find_target(request, application, environment)
    asked = payload or RollBack()
    caller = caller_of(request)
    deploy = lifecycle.roll_back(
        target,
        to=_goal(request, asked.to),
        by=caller.user,
        trigger=trigger_of(request),
        stop=asked.stop,
        automatic=caller.machine,
        said=lifecycle.Passing(confirmed=asked.confirm, over=asked.reason, override=asked.override),
    )
    return made(response, deploy)


@router.get(
    "/targets/{application}/{place:environment}/rollback",
    auth=Needs(VIEW),
    response={200: RollBackPreview, 409: ProblemOut},
    summary="What a rollback would do",
)
def preview_rollback(
    request: HttpRequest, application: Name, environment: Place, to: Id | None = None
) -> dict[str, Any]:
    target = find_target(request, application, environment)
    running = active_deploy(target)
    seen = rollbacks.preview(target, rollbacks.choose(target, _goal(request, to), stopping=running))
    return {
        "to": _of(target, seen.goal),
        "hosts": seen.holding,
        "lacking": seen.lacking,
        "undone": None if seen.undone is None else [vars(commit) for commit in seen.undone],
        "undone_count": seen.undone_count,
        "migrations": [
            {"number": it.number, "revision": it.revision, "step": it.step, "down": it.down} for it in seen.migrations
        ],
        "expected_seconds": seen.expected.total_seconds() if seen.expected else None,
    }


@router.post(
    "/targets/{application}/{place:environment}/converge",
    auth=Needs(DEPLOY),
    response=MADE,
    summary="Deploy what is live to the hosts that do not run it",
)
def converge(
    request: HttpRequest, response: HttpResponse, application: Name, environment: Place, payload: Converge | None = None
) -> Status[Any]:
    target = find_target(request, application, environment)
    asked, caller = payload or Converge(), caller_of(request)
    deploy = lifecycle.converge(
        target,
        hosts=asked.hosts,
        by=caller.user,
        trigger=trigger_of(request),
        automatic=caller.machine,
        said=lifecycle.Passing(confirmed=asked.confirm, override=asked.override),
    )
    return made(response, deploy)


def _goal(request: HttpRequest, wanted: int | None) -> Deploy | None:
    if not wanted:
        return None
    theirs = sight.of_targets(caller_of(request).user, "target__")
    goal = Deploy.objects.select_related("release").filter(theirs, pk=wanted).first()
    if goal is None:
        raise Unacceptable(f"There is no deploy {wanted} to go back to. Nothing was changed.")
    return goal


def find_target(
    request: HttpRequest, application: str, environment: str, among: QuerySet[Target] | None = None
) -> Target:
    """Raises NotFound, also for what the caller may not view."""
    rows = Target.objects.select_related("application", "environment", "approvers") if among is None else among
    rows = rows.annotate(frozen=windows.frozen())
    try:
        theirs = sight.of_targets(caller_of(request).user)
        return rows.get(theirs, application__name=application, **target_words.at(environment))
    except Target.DoesNotExist:
        raise NotFound(f"There is no target {application}/{environment}.") from None


def trigger_of(request: HttpRequest) -> str:
    return Trigger.CLI if request.headers.get("X-Deployer-Client") == "cli" else Trigger.API


def made(response: HttpResponse, deploy: Deploy) -> Status[Any]:
    """201, and where the new deploy is found."""
    response["Location"] = reverse("api:read_deploy", args=[deploy.pk])
    return Status(201, represent(deploys().get(pk=deploy.pk)))


def _targets() -> QuerySet[Target]:
    return Target.objects.select_related("application", "environment", "standing__live__by", "standing__latest__by")


def summarize_target(target: Target) -> dict[str, Any]:
    standing: Standing | None = getattr(target, "standing", None)
    names = [target.application.name, target.place]
    return {
        "application": names[0],
        "environment": target.environment.name,
        "endpoint": target.name,
        "url": absolute(reverse("target", args=names)),
        "live": _of(target, standing.live if standing else None),
        "latest": _of(target, standing.latest if standing else None),
    }


def _of(target: Target, deploy: Deploy | None) -> dict[str, Any] | None:
    if deploy is None:
        return None
    deploy.target = target  # known already: no query
    return summarize(deploy)


def _hosts(target: Target) -> list[dict[str, Any]]:
    """What each host really runs, not what history says."""
    placements = Placement.objects.filter(target=target, colour="").select_related("current")
    places = {place.host_id: place for place in placements}
    return [
        {
            "host": member.host.name,
            "region": member.host.zone.region.name if member.host.zone else "",
            "zone": member.host.zone.name if member.host.zone else "",
            "roles": member.roles,
            **_runs(places.get(member.host_id)),
        }
        for member in members(target, aside=True)
    ]


def _runs(place: Placement | None) -> dict[str, Any]:
    current = place.current if place else None
    return {
        "port": place.port if place else None,
        "release": current.name if current else "",
        "revision": current.revision if current else "",
        "switched_at": represent_time(place.switched_at) if place else None,
        "seen": place.seen if place else "",
        "seen_at": represent_time(place.seen_at) if place else None,
        "drift": place.drift if place else "",
    }


@router.get(
    "/targets/{application}/{place:environment}/approvals",
    auth=Needs(VIEW),
    response=ApprovalRule,
    summary="How many of which team approve deploys there",
)
def read_approvals(request: HttpRequest, application: Name, environment: Place) -> dict[str, Any]:
    return _rule(find_target(request, application, environment))


@router.put(
    "/targets/{application}/{place:environment}/approvals",
    auth=Needs(ADMINISTER),
    response={200: ApprovalRule, 400: ProblemOut},
    summary="Set that",
)
def set_approvals(request: HttpRequest, application: Name, environment: Place, payload: ApprovalRule) -> dict[str, Any]:
    target = find_target(request, application, environment)
    team = Team.objects.filter(name=payload.team).first() if payload.team else None
    if payload.team and team is None:
        raise Unacceptable(f"There is no team {payload.team}. Nothing was changed.")
    set_rule(target, number=payload.number, team=team, hours=payload.hours, by=caller_of(request).user)
    return _rule(target)


def _rule(target: Target) -> dict[str, Any]:
    team = target.approvers.name if target.approvers else ""
    return {"number": target.approvals, "team": team, "hours": target.approval_hours}
