"""When environments take deploys, and freezes."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Id, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.api.windows_schemas import FreezeOut, MakeFreeze, SetWindows, WindowsOut
from environments import locks, sight, windows
from environments.access import ADMINISTER, MAINTAIN, VIEW
from environments.models import Environment, Freeze
from environments.windows import hours

router = Router(tags=["windows"])
REFUSED: Any = {400: ProblemOut, 409: ProblemOut}
AHEAD = timedelta(days=14)


@router.get(
    "/environments/{environment}/windows",
    auth=Needs(VIEW),
    response=WindowsOut,
    by_alias=True,
    summary="When an environment takes deploys",
)
def read_windows(request: HttpRequest, environment: Name) -> dict[str, Any]:
    return _represent(_find(request, environment))


@router.put(
    "/environments/{environment}/windows",
    auth=Needs(ADMINISTER),
    response={200: WindowsOut, 400: ProblemOut},
    by_alias=True,
    summary="Set all its windows; none: deploys go out at any time",
)
def set_windows(request: HttpRequest, environment: Name, payload: SetWindows) -> dict[str, Any]:
    found = _find(request, environment)
    wanted = [windows.read_window(one.model_dump(by_alias=True)) for one in payload.windows]
    windows.set_windows(found, wanted, outside=payload.outside, by=caller_of(request).user)
    return _represent(found)


@router.get("/freezes", auth=Needs(VIEW), response=Page[FreezeOut], summary="Freezes that last or are to come")
def list_freezes(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    rows = windows.to_come().filter(windows.visible(caller_of(request).user))
    return page(rows, key="pk", cursor=cursor, represent=_freeze)


@router.post(
    "/freezes",
    auth=Needs(MAINTAIN),
    response={201: FreezeOut, 400: ProblemOut},
    summary="Let nothing new go out for a time",
)
def make_freeze(request: HttpRequest, payload: MakeFreeze) -> Status[Any]:
    person = caller_of(request).user
    scope = locks.find(payload.scope, viewer=person)
    made = windows.freeze(scope, by=person, reason=payload.reason, starts=payload.starts, ends=payload.ends)
    return Status(201, _freeze(made))


@router.delete(
    "/freezes/{freeze_id}", auth=Needs(MAINTAIN), response={204: None} | REFUSED, summary="End it, or call it off"
)
def lift_freeze(request: HttpRequest, freeze_id: Id) -> Status[None]:
    person = caller_of(request).user
    found = windows.find_freeze(freeze_id, viewer=person)
    if found is None:
        raise NotFound(f"There is no freeze {freeze_id}.")
    windows.lift(found, by=person)
    return Status(204, None)


def _find(request: HttpRequest, name: str) -> Environment:
    found = Environment.objects.filter(sight.of_environments(caller_of(request).user), name=name).first()
    if found is None:
        raise NotFound(f"There is no environment {name}.")
    return found


def _represent(environment: Environment) -> dict[str, Any]:
    now, there = locks.clock(), windows.windows_of(environment.windows)
    opened = hours.spans(there, now, now + AHEAD) if there else [(now, now + AHEAD)]
    return {
        "windows": [one.facts() for one in there],
        "outside": environment.outside,
        "open": windows.is_open(there, now),
        "next": represent_time(windows.next_opening(there, now)),
        "ahead": [{"from": represent_time(start), "to": represent_time(end)} for start, end in opened],
    }


def _freeze(row: Freeze) -> dict[str, Any]:
    return {
        "id": row.pk,
        "scope": row.scope,
        "starts": represent_time(row.starts),
        "ends": represent_time(row.ends),
        "reason": row.reason,
        "by_name": row.by_name,
    }
