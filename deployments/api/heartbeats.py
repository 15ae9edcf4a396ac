"""Machines that say that they are there, and the tokens by which they may."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from deployments.api.auth import HeartbeatToken, Needs, caller_of
from deployments.api.paging import Cursor, Name, page
from deployments.api.problems import NotFound, TooLarge
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut, Strict
from environments import sight
from environments.access import ADMINISTER, VIEW
from environments.models import Environment, Heartbeat, HostSource
from environments.sources import heartbeats
from environments.sources.heartbeats import Said
from environments.sources.kinds.heartbeat import silent_after
from environments.tokens import MOST_DAYS

router = Router(tags=["sources"])
MOST_BODY = 16 * 1024
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
Label = Annotated[str, Field(max_length=200)]


class Beat(Strict):
    """What is left out is as it was said before."""

    labels: Annotated[dict[str, Label] | None, Field(max_length=50, description="Targets choose hosts by them.")] = None
    current: Annotated[
        dict[str, Label] | None, Field(description="By `application/environment`, where its `current` leads.")
    ] = None
    host_keys: Annotated[
        list[Annotated[str, Field(max_length=2000)]] | None,
        Field(max_length=10, description="Its public host keys, heard where its source is marked as trusted."),
    ] = None


class Heard(Schema):
    host: str
    source: str
    silent_after: Annotated[int, Field(description="Seconds within which it has to be heard again.")]


class HeartbeatOut(Schema):
    host: str
    address: str
    port: int
    silent: Annotated[bool, Field(description="Not heard for longer than its source says, or never.")]
    heard_at: AwareDatetime | None
    labels: dict[str, str]
    current: dict[str, str]
    made_by: str
    made_at: AwareDatetime
    expires_at: AwareDatetime | None


class MadeHeartbeat(HeartbeatOut):
    token: Annotated[str, Field(description="It cannot be read again.")]


class MakeHeartbeat(Strict):
    host: Annotated[
        str, Field(min_length=1, max_length=400, description="A host's name, or `deploy@10.0.0.9:22 as web-9`.")
    ]
    days: Annotated[int | None, Field(ge=1, le=MOST_DAYS, description="By default until it is revoked.")] = None


@router.post(
    "/hosts/heartbeat",
    auth=HeartbeatToken(),
    response={200: Heard, 400: ProblemOut, 429: ProblemOut},
    summary="A machine says that it is there",
)
def beat(request: HttpRequest, payload: Beat | None = None) -> dict[str, Any]:
    if len(request.body) > MOST_BODY:
        raise TooLarge(f"A heartbeat has at most {MOST_BODY} bytes. It was not heard.")
    row: Heartbeat = request.auth  # type: ignore[attr-defined]
    heartbeats.hear(row, Said(**payload.dict()) if payload else Said())
    seconds = int(silent_after(row.source.settings).total_seconds())
    return {"host": row.name, "source": row.source.name, "silent_after": seconds}


@router.get(
    "/sources/{source}/heartbeats",
    auth=Needs(VIEW),
    response=Page[HeartbeatOut],
    summary="Machines that may say that they are there, and when they did",
)
def list_heartbeats(request: HttpRequest, source: Name, cursor: Cursor = "") -> dict[str, Any]:
    places = Environment.objects.filter(sight.of_environments(caller_of(request).user))
    found = HostSource.objects.filter(environment__in=places, name=source).first()
    if found is None:
        raise NotFound(f"There is no source {source}.")
    rows = Heartbeat.objects.filter(source=found).select_related("source")
    return page(rows, key="name", cursor=cursor, represent=_represent)


@router.post(
    "/sources/{source}/heartbeats",
    auth=_ADMINISTER,
    response={201: MadeHeartbeat, 400: ProblemOut, 409: ProblemOut},
    summary="A machine's token, shown only now; the one before it opens nothing any more",
)
def make_heartbeat(request: HttpRequest, response: HttpResponse, source: Name, payload: MakeHeartbeat) -> Status[Any]:
    row, plain = heartbeats.make(_find(source), payload.host, days=payload.days, by=caller_of(request).user)
    response["Cache-Control"] = "no-store"
    return Status(201, _represent(row) | {"token": plain})


@router.delete(
    "/sources/{source}/heartbeats/{host}", auth=_ADMINISTER, response={204: None}, summary="Revoke a machine's token"
)
def revoke_heartbeat(request: HttpRequest, source: Name, host: Name) -> Status[None]:
    found = Heartbeat.objects.filter(source=_find(source), name=host).select_related("source__environment").first()
    if found is None:
        raise NotFound(f"No machine {host} may speak for {source}.")
    heartbeats.revoke(found, by=caller_of(request).user)
    return Status(204, None)


def _find(name: str) -> HostSource:
    found = HostSource.objects.select_related("environment").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no source {name}.")
    return found


def _represent(row: Heartbeat) -> dict[str, Any]:
    words = ("address", "port", "labels", "current", "made_by")
    times = ("heard_at", "made_at", "expires_at")
    return {
        **{word: getattr(row, word) for word in words},
        **{word: represent_time(getattr(row, word)) for word in times},
        "host": row.name,
        "silent": heartbeats.is_silent(row),
    }
