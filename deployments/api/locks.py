"""Locks: who has reserved what, and waiting for it."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status

from deployments import lifecycle
from deployments.api.auth import Needs, caller_of
from deployments.api.locks_schemas import (
    AnswerQuestion,
    AskHolder,
    ExtendLock,
    JoinLine,
    LeaveLine,
    LockDetail,
    LockedProblem,
    LockOut,
    TakeLock,
    TakeOver,
    Unlock,
)
from deployments.api.paging import Cursor, Id, page
from deployments.api.problems import NotFound, Unacceptable
from deployments.api.representation import absolute, represent_lock, represent_reservation, represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.lifecycle.unlocking import held_by_any
from environments import locks
from environments.access import LOCK, TAKE_LOCKS, VIEW
from environments.models import Lock, LockQuestion, Team, User

router = Router(tags=["locks"])
REFUSED: Any = {409: ProblemOut, 400: ProblemOut}


@router.get("/locks", auth=Needs(VIEW), response=Page[LockOut], summary="All locks that are held")
def list_locks(request: HttpRequest, scope: str = "", cursor: Cursor = "") -> dict[str, Any]:
    rows = locks.held().filter(locks.visible(_person(request))).select_related("holder", "team")
    if scope:
        rows = rows.filter(scope=scope)
    return page(rows, key="pk", cursor=cursor, represent=represent_lock)


@router.post(
    "/locks",
    auth=Needs(LOCK),
    response={201: LockDetail, 409: LockedProblem, 400: ProblemOut},
    summary="Lock everything, an environment or a target",
)
def take_lock(request: HttpRequest, response: HttpResponse, payload: TakeLock) -> Status[Any]:
    made = locks.acquire(
        locks.find(payload.scope, viewer=_person(request)),
        by=_person(request),
        reason=payload.reason,
        until=payload.until,
        kind=payload.kind,
        team=team_named(payload.team),
    )
    response["Location"] = reverse("api:read_lock", args=[made.pk])
    return Status(201, _detail(request, made.pk))


@router.get("/locks/{lock_id}", auth=Needs(VIEW), response=LockDetail, summary="One lock, who waits and who asks")
def read_lock(request: HttpRequest, lock_id: Id) -> dict[str, Any]:
    return _detail(request, lock_id)


@router.delete("/locks/{lock_id}", auth=Needs(LOCK), response={204: None} | REFUSED, summary="Release it")
def release(request: HttpRequest, lock_id: Id, payload: Unlock | None = None) -> Status[None]:
    lifecycle.unlock(find_lock(request, lock_id), by=_person(request), held=payload.held if payload else "leave")
    return Status(204, None)


@router.post("/locks/{lock_id}/extend", auth=Needs(LOCK), response={200: LockDetail} | REFUSED, summary="Hold longer")
def extend(request: HttpRequest, lock_id: Id, payload: ExtendLock) -> dict[str, Any]:
    return _detail(request, locks.extend(find_lock(request, lock_id), by=_person(request), until=payload.until).pk)


@router.post("/locks/{lock_id}/ask", auth=Needs(LOCK), response={200: LockDetail} | REFUSED, summary="Ask the holder")
def ask(request: HttpRequest, lock_id: Id, payload: AskHolder) -> dict[str, Any]:
    locks.ask(find_lock(request, lock_id), by=_person(request), text=payload.text)
    return _detail(request, lock_id)


@router.post(
    "/locks/{lock_id}/answer", auth=Needs(LOCK), response={204: None} | REFUSED, summary="Answer who asked for it"
)
def answer(request: HttpRequest, lock_id: Id, payload: AnswerQuestion) -> Status[None]:
    lock = find_lock(request, lock_id)
    asked = LockQuestion.objects.select_related("lock__holder", "by").filter(pk=payload.question, lock=lock).first()
    if asked is None:
        raise NotFound(f"There is no question {payload.question} about this lock.")
    lifecycle.answer(asked, payload.answer, by=_person(request), until=payload.until, held=payload.held)
    return Status(204, None)


@router.post(
    "/locks/{lock_id}/take", auth=Needs(TAKE_LOCKS), response={201: LockDetail} | REFUSED, summary="Take it over"
)
def take(request: HttpRequest, response: HttpResponse, lock_id: Id, payload: TakeOver) -> Status[Any]:
    taken = locks.take(find_lock(request, lock_id), by=_person(request), reason=payload.reason, until=payload.until)
    response["Location"] = reverse("api:read_lock", args=[taken.pk])
    return Status(201, _detail(request, taken.pk))


@router.post("/locks/{lock_id}/queue", auth=Needs(LOCK), response={200: LockDetail} | REFUSED, summary="Wait in line")
def join_line(request: HttpRequest, lock_id: Id, payload: JoinLine | None = None) -> dict[str, Any]:
    asked, scope, by = payload or JoinLine(), locks.of_row(find_lock(request, lock_id)), _person(request)
    if asked.tell_only:
        locks.tell_me_when_free(scope, by=by)
    else:
        wanted = None if asked.wanted_seconds is None else timedelta(seconds=asked.wanted_seconds)
        locks.wait_in_line(scope, by=by, wanted=wanted, reason=asked.reason)
    return _detail(request, lock_id)


@router.delete("/locks/{lock_id}/queue", auth=Needs(LOCK), response={204: None} | REFUSED, summary="Wait no longer")
def leave_line(request: HttpRequest, lock_id: Id, payload: LeaveLine | None = None) -> Status[None]:
    scope = locks.of_row(find_lock(request, lock_id))
    locks.leave_line(scope, by=_person(request), tell_only=bool(payload and payload.tell_only))
    return Status(204, None)


@router.post(
    "/locks/{lock_id}/queue/confirm",
    auth=Needs(LOCK),
    response={200: LockDetail} | REFUSED,
    summary="Take what is offered when one's turn has come",
)
def confirm(request: HttpRequest, lock_id: Id) -> dict[str, Any]:
    return _detail(request, locks.confirm(find_lock(request, lock_id), by=_person(request)).pk)


def find_lock(request: HttpRequest, lock_id: int) -> Lock:
    """Raises NotFound."""
    found = locks.find_lock(lock_id, viewer=_person(request))
    if found is None:
        raise NotFound(f"There is no lock {lock_id}.")
    return found


def _person(request: HttpRequest) -> User:
    return caller_of(request).user


def team_named(name: str) -> Team | None:
    if not name:
        return None
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise Unacceptable(f"There is no team {name}. Nothing was changed.")
    return found


def _detail(request: HttpRequest, lock_id: int) -> dict[str, Any]:
    lock, viewer = find_lock(request, lock_id), _person(request)
    waiting = [row for row in locks.in_line([lock.scope]) if not row.tell_only]
    line = [
        {
            "by": row.person.username,
            "by_name": row.person.full_name,
            "wanted_seconds": row.wanted_seconds,
            "reason": row.reason,
            "asked_at": represent_time(row.asked_at),
        }
        for row in waiting
    ]
    questions = [
        {
            "id": row.pk,
            "by": row.by.username if row.by else "",
            "by_name": row.by_name,
            "text": row.text,
            "asked_at": represent_time(row.asked_at),
        }
        for row in locks.told_to(viewer, locks.open_questions().filter(lock=lock), holds=locks.is_holder(lock, viewer))
    ]
    held = [
        {
            "id": deploy.pk,
            "number": deploy.number,
            "application": deploy.target.application.name,
            "environment": deploy.target.environment.name,
            "ref": deploy.ref,
            "revision": deploy.revision,
            "by_name": deploy.by_name,
            "url": absolute(reverse("deploy", args=[deploy.pk])),
        }
        for deploy in held_by_any([lock.pk], viewer=viewer)
    ]
    ahead = locks.reaches_into(lock, viewer=viewer)
    into = represent_reservation(ahead) if ahead else None
    return {**represent_lock(lock), "line": line, "questions": questions, "held": held, "reaches_into": into}
