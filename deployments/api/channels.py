"""Where announcements go. Credentials go in and never come out."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.channels_schemas import ChangeChannel, ChannelOut, DeliveryOut, NewChannel
from deployments.api.paging import Cursor, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from environments.access import ADMINISTER
from environments.channels import keeping
from environments.channels.keeping import Plan
from environments.channels.routing import Routing
from notifications.models import Channel, Delivery

router = Router(tags=["channels"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED: Any = {400: ProblemOut, 409: ProblemOut}
_LISTS = ("applications", "environments", "kinds", "outcomes")


@router.get("/channels", auth=_ADMINISTER, response=Page[ChannelOut], summary="Channels, and how each is")
def list_channels(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(Channel.objects.all(), key="name", cursor=cursor, represent=_represent)


@router.post("/channels", auth=_ADMINISTER, response={201: ChannelOut, **_REFUSED}, summary="Set up a channel")
def add_channel(request: HttpRequest, payload: NewChannel) -> Status[Any]:
    made = keeping.add(_plan(payload, payload.kind, payload.name), by=caller_of(request).user)
    return Status(201, _represent(made))


@router.put(
    "/channels/{channel}",
    auth=_ADMINISTER,
    response={200: ChannelOut, **_REFUSED},
    summary="Send elsewhere, other things, or in other words",
)
def change_channel(request: HttpRequest, channel: Name, payload: ChangeChannel) -> dict[str, Any]:
    """One that had stopped is sent to again."""
    found = _find(channel)
    keeping.change(found, _plan(payload, found.kind, found.name), by=caller_of(request).user)
    return _represent(found)


@router.post(
    "/channels/{channel}/test", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Send a test there, now"
)
def try_channel(request: HttpRequest, channel: Name) -> Status[None]:
    keeping.try_out(_find(channel), by=caller_of(request).user)
    return Status(204, None)


@router.post(
    "/channels/{channel}/resume",
    auth=_ADMINISTER,
    response={200: ChannelOut, **_REFUSED},
    summary="Send there again, after it had stopped",
)
def resume_channel(request: HttpRequest, channel: Name) -> dict[str, Any]:
    found = _find(channel)
    keeping.resume(found, by=caller_of(request).user)
    return _represent(found)


@router.delete(
    "/channels/{channel}", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Announce nothing there any more"
)
def remove_channel(request: HttpRequest, channel: Name) -> Status[None]:
    keeping.remove(_find(channel), by=caller_of(request).user)
    return Status(204, None)


@router.get(
    "/channels/{channel}/deliveries",
    auth=_ADMINISTER,
    response=Page[DeliveryOut],
    summary="What was sent there, and what waits, the newest first",
)
def list_deliveries(request: HttpRequest, channel: Name, cursor: Cursor = "") -> dict[str, Any]:
    rows = _find(channel).deliveries.select_related("event")
    return page(rows, key="pk", cursor=cursor, represent=_represent_delivery, newest_first=True)


def _find(name: str) -> Channel:
    found = Channel.objects.filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no channel {name}.")
    return found


def _plan(said: ChangeChannel, kind: str, name: str) -> Plan:
    routing = Routing(**{one: getattr(said, one) for one in _LISTS}, templates=said.templates)
    return Plan(kind=kind, name=name, settings=said.settings, secret=said.secret, routing=routing, owner=said.owner)


def _represent(row: Channel) -> dict[str, Any]:
    lists = {one: getattr(row, one) for one in (*_LISTS, "templates", "settings")}
    return {
        "name": row.name,
        "kind": row.kind,
        "owner": row.owner,
        **lists,
        "stopped": row.stopped,
        "trouble": row.trouble,
        "sent_at": represent_time(row.sent_at),
    }


def _represent_delivery(row: Delivery) -> dict[str, Any]:
    waits = row.state == Delivery.State.WAITING
    return {
        "id": row.pk,
        "word": row.word,
        "text": row.text,
        "state": row.state,
        "tries": row.tries,
        "error": row.error,
        "deploy": row.event.deploy,
        "made_at": represent_time(row.made_at),
        "next_try_at": represent_time(row.next_try_at) if waits else None,
    }
