"""Deploys: their history, their log, and what can be done about them."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router, Status

from deployments import lifecycle, log_search
from deployments.api.auth import Needs, caller_of
from deployments.api.paging import MOST_ID, Cursor, Id, Name, Username, page
from deployments.api.problems import NotFound, Unacceptable
from deployments.api.representation import deploys, represent, summarize
from deployments.api.schemas import (
    Again,
    Approve,
    DeployOut,
    DeploySummary,
    GoLive,
    LogFound,
    Page,
    ProblemOut,
    Refuse,
)
from deployments.api.targets import MADE, made, trigger_of
from deployments.log_reading import pieces
from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments import sight
from environments.access import DEPLOY, REORDER, VIEW
from environments.models import Target, User

router = Router(tags=["deploys"])
First = Annotated[int, Query(alias="from", ge=1, le=MOST_ID, description="The first line's `n`.")]
Last = Annotated[int | None, Query(ge=1, le=MOST_ID, description="The last line's `n`; by default that of the log.")]
Words = Annotated[str, Query(min_length=1, max_length=log_search.LONGEST, description="What to look for, in any case.")]


@router.get("/deploys", auth=Needs(VIEW), response=Page[DeploySummary], summary="Deploys, the newest first")
def list_deploys(
    request: HttpRequest,
    application: Name | None = None,
    environment: Name | None = None,
    status: DeployStatus | None = None,
    kind: Kind | None = None,
    by: Username | None = None,
    cursor: Cursor = "",
) -> dict[str, Any]:
    theirs = sight.of_targets(caller_of(request).user, "target__")
    rows = deploys().filter(theirs)
    places = {"application__name": application, "environment__name": environment}
    wanted = {field: value for field, value in places.items() if value}
    if wanted:
        # a handful of ids: the index by target serves them, a join over the whole history does not
        rows = rows.filter(target__in=list(Target.objects.filter(**wanted).values_list("pk", flat=True)))
    facts = {"status": status, "kind": kind, "by__username": by}
    rows = rows.filter(**{field: value for field, value in facts.items() if value})
    return page(rows, key="pk", cursor=cursor, represent=summarize, newest_first=True)


@router.get("/waiting", auth=Needs(VIEW), response=Page[DeployOut], summary="All that wait, and what for")
def list_waiting(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    theirs = sight.of_targets(caller_of(request).user, "target__")
    rows = with_all(deploys()).filter(theirs, status=DeployStatus.WAITING)
    return page(rows, key="pk", cursor=cursor, represent=represent)


@router.get("/deploys/{deploy_id}", auth=Needs(VIEW), response=DeployOut, summary="One deploy and its hosts")
def read_deploy(request: HttpRequest, deploy_id: Id) -> dict[str, Any]:
    return represent(find_deploy(request, deploy_id))


@router.get(
    "/deploys/{deploy_id}/log",
    auth=Needs(VIEW),
    summary="The stored lines of a log, one JSON object per line",
    openapi_extra={"responses": {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}},
)
def read_log(
    request: HttpRequest,
    deploy_id: Id,
    start: First = 1,
    until: Last = None,
    host: Name | None = None,
) -> StreamingHttpResponse:
    find_deploy(request, deploy_id)
    if until is not None and until < start:
        raise Unacceptable(f"`until` is {until}, which comes before `from`, {start}.")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    lines = _ndjson(deploy_id, start, until, host or "")
    return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)


@router.get(
    "/deploys/{deploy_id}/log/search", auth=Needs(VIEW), response=LogFound, summary="The lines of a log that hold words"
)
def search_log(
    request: HttpRequest, deploy_id: Id, q: Words, start: First = 1, host: Name | None = None
) -> log_search.Found:
    return log_search.search(find_deploy(request, deploy_id).pk, q, start=start, host=host or "")


@router.post(
    "/deploys/{deploy_id}/cancel", auth=Needs(DEPLOY), response={202: DeployOut, 409: ProblemOut}, summary="Stop it"
)
def cancel(request: HttpRequest, deploy_id: Id) -> Status[Any]:
    lifecycle.request_cancel(find_deploy(request, deploy_id), by=caller_of(request).user)
    return Status(202, represent(find_deploy(request, deploy_id)))


@router.post(
    "/deploys/{deploy_id}/retry",
    auth=Needs(DEPLOY),
    response=MADE,
    summary="The same release once more, on the hosts that did not make it",
)
def retry(request: HttpRequest, response: HttpResponse, deploy_id: Id, payload: Again | None = None) -> Status[Any]:
    failed, caller, asked = find_deploy(request, deploy_id), caller_of(request), payload or Again()
    said = lifecycle.Passing(confirmed=asked.confirm, override=asked.override)
    deploy = lifecycle.retry(failed, by=caller.user, trigger=trigger_of(request), automatic=caller.machine, said=said)
    return made(response, deploy)


@router.post(
    "/deploys/{deploy_id}/flip",
    auth=Needs(DEPLOY),
    response={202: DeployOut, 409: ProblemOut},
    summary="Let a held deploy go live",
)
def flip(request: HttpRequest, deploy_id: Id, payload: GoLive | None = None) -> Status[Any]:
    caller, asked = caller_of(request), payload or GoLive()
    lifecycle.flip(
        find_deploy(request, deploy_id),
        by=caller.user,
        automatic=caller.machine,
        confirm=asked.confirm,
        override=asked.override,
    )
    return Status(202, represent(find_deploy(request, deploy_id)))


@router.post(
    "/deploys/{deploy_id}/let-go",
    auth=Needs(DEPLOY),
    response={202: DeployOut, 409: ProblemOut},
    summary="Deploy what a lock has held",
)
def let_go(request: HttpRequest, deploy_id: Id) -> Status[Any]:
    lifecycle.let_go(find_deploy(request, deploy_id), by=_somebody(request))
    return Status(202, represent(find_deploy(request, deploy_id)))


@router.post(
    "/deploys/{deploy_id}/drop",
    auth=Needs(DEPLOY),
    response={202: DeployOut, 409: ProblemOut},
    summary="Give up what a lock has held",
)
def drop(request: HttpRequest, deploy_id: Id) -> Status[Any]:
    lifecycle.drop(find_deploy(request, deploy_id), by=_somebody(request))
    return Status(202, represent(find_deploy(request, deploy_id)))


@router.post(
    "/deploys/{deploy_id}/approve",
    auth=Needs(VIEW),
    response={200: DeployOut, 409: ProblemOut},
    summary="Say that exactly this may go out",
)
def approve(request: HttpRequest, deploy_id: Id, payload: Approve) -> dict[str, Any]:
    by = _somebody(request)
    lifecycle.approve(find_deploy(request, deploy_id), by=by, subject=payload.subject, word=payload.word)
    return represent(find_deploy(request, deploy_id))


@router.post(
    "/deploys/{deploy_id}/refuse",
    auth=Needs(VIEW),
    response={200: DeployOut, 409: ProblemOut},
    summary="Say that it may not go out: it is cancelled",
)
def refuse(request: HttpRequest, deploy_id: Id, payload: Refuse) -> dict[str, Any]:
    by = _somebody(request)
    lifecycle.refuse(find_deploy(request, deploy_id), by=by, subject=payload.subject, word=payload.word)
    return represent(find_deploy(request, deploy_id))


@router.post(
    "/deploys/{deploy_id}/front",
    auth=Needs(REORDER),
    response={200: DeployOut, 409: ProblemOut},
    summary="Let it go before all others that wait there",
)
def move_to_front(request: HttpRequest, deploy_id: Id) -> dict[str, Any]:
    lifecycle.move_to_front(find_deploy(request, deploy_id), by=_somebody(request))
    return represent(find_deploy(request, deploy_id))


def _somebody(request: HttpRequest) -> User:
    """A person: what is held, approved or moved is no machine's to decide. Raises Problem."""
    caller = caller_of(request)
    if caller.machine:
        raise Unacceptable("A machine cannot decide this about a deploy that waits. Nothing was changed.")
    return caller.user


def with_all(rows: QuerySet[Deploy]) -> QuerySet[Deploy]:
    """With what tells what a waiting one waits for."""
    return rows.select_related("release", "of")


def find_deploy(request: HttpRequest, deploy_id: int) -> Deploy:
    """Raises NotFound, also for what the caller may not view."""
    theirs = sight.of_targets(caller_of(request).user, "target__")
    found = with_all(deploys()).filter(theirs, pk=deploy_id).first()
    if found is None:
        raise NotFound(f"There is no deploy {deploy_id}.")
    return found


async def _ndjson(deploy_id: int, start: int, until: int | None, host: str) -> AsyncIterator[str]:
    async for lines in pieces(deploy_id, start=start, until=until, host=host):
        yield "".join(json.dumps(vars(line)) + "\n" for line in lines)
