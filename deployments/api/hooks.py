"""Who sends hooks, and what came in."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.hooks_schemas import HookDeliveryOut, HookRawOut, HookSourceOut, MadeHookSource, NewHookSource
from deployments.api.paging import Cursor, Id, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.hooks import inbox, kinds, sources
from deployments.models import HookDecision, HookDelivery
from environments import sight
from environments.access import ADMINISTER, MAINTAIN, VIEW
from environments.models import Application, HookSource, User

router = Router(tags=["hooks"])
REFUSED: Any = {400: ProblemOut, 409: ProblemOut}


@router.get("/hook-sources", auth=Needs(ADMINISTER), response=Page[HookSourceOut], summary="Who may send hooks")
def list_hook_sources(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(sources.visible(caller_of(request).user), key="pk", cursor=cursor, represent=_source)


@router.post(
    "/hook-sources",
    auth=Needs(ADMINISTER),
    response={201: MadeHookSource, 400: ProblemOut},
    summary="Let somebody send hooks for an application",
)
def make_hook_source(request: HttpRequest, response: HttpResponse, payload: NewHookSource) -> Status[Any]:
    user = caller_of(request).user
    application = Application.objects.filter(sight.of_applications(user), name=payload.application).first()
    if application is None:
        raise NotFound(f"There is no application {payload.application}. Nothing was saved.")
    source, secret = sources.make(payload.kind, application, settings=payload.settings, by=user)
    response["Cache-Control"] = "no-store"
    return Status(201, _source(source) | {"secret": secret})


@router.post(
    "/hook-sources/{hook_id}/secret",
    auth=Needs(ADMINISTER),
    response=MadeHookSource,
    summary="Another secret; the one before signs nothing any more",
)
def renew_hook_secret(request: HttpRequest, response: HttpResponse, hook_id: Id) -> dict[str, Any]:
    source = _find(request, hook_id)
    secret = sources.renew_secret(source, by=caller_of(request).user)
    response["Cache-Control"] = "no-store"
    return _source(source) | {"secret": secret}


@router.delete("/hook-sources/{hook_id}", auth=Needs(ADMINISTER), response={204: None}, summary="Hear it no more")
def remove_hook_source(request: HttpRequest, hook_id: Id) -> Status[None]:
    sources.remove(_find(request, hook_id), by=caller_of(request).user)
    return Status(204, None)


@router.get("/hook-deliveries", auth=Needs(VIEW), response=Page[HookDeliveryOut], summary="What came in, newest first")
def list_hook_deliveries(request: HttpRequest, application: Name | None = None, cursor: Cursor = "") -> dict[str, Any]:
    user = caller_of(request).user
    rows = inbox.visible(user)
    rows = rows.filter(source__application__name=application) if application else rows
    found = page(rows, key="pk", cursor=cursor, represent=_delivery, newest_first=True)
    decided = _decisions(user, [one["id"] for one in found["items"]])
    for one in found["items"]:
        one["targets"] = decided.get(one["id"], [])
    return found


@router.get(
    "/hook-deliveries/{delivery_id}",
    auth=Needs(MAINTAIN),
    response={200: HookRawOut, 409: ProblemOut},
    summary="One as it came, with its secrets masked",
)
def read_hook_delivery(request: HttpRequest, delivery_id: Id) -> dict[str, Any]:
    user = caller_of(request).user
    found = _find_delivery(user, delivery_id)
    raw = inbox.open_raw(found, by=user)
    targets = _decisions(user, [found.pk]).get(found.pk, [])
    return _delivery(found) | {"targets": targets, "headers": raw.headers, "body": raw.body}


@router.post(
    "/hook-deliveries/{delivery_id}/replay",
    auth=Needs(MAINTAIN),
    response={202: HookDeliveryOut} | REFUSED,
    summary="Work on it once more, by the rules of now",
)
def replay_hook(request: HttpRequest, delivery_id: Id) -> Status[Any]:
    user = caller_of(request).user
    again = inbox.replay(_find_delivery(user, delivery_id), by=user)
    return Status(202, _delivery(again))


def _find(request: HttpRequest, hook_id: int) -> HookSource:
    rows: QuerySet[HookSource] = HookSource.objects.select_related("application", "account")
    found = rows.filter(sight.of_applications(caller_of(request).user, "application"), pk=hook_id).first()
    if found is None:
        raise NotFound(f"There is no source of hooks {hook_id}.")
    return found


def _find_delivery(user: User, delivery_id: int) -> HookDelivery:
    found = inbox.visible(user).filter(pk=delivery_id).first()
    if found is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return found


def _source(row: HookSource) -> dict[str, Any]:
    kind = kinds.KINDS.get(row.kind)
    return {
        "id": row.pk,
        "kind": row.kind,
        "application": row.application.name,
        "url": settings.BASE_URL + reverse("take-hook", args=[row.kind, row.key]),
        "signs_with": kind.SIGNS_WITH if kind else "",
        "account": row.account.username,
        "settings": row.settings,
        "made_by": row.made_by,
        "made_at": represent_time(row.made_at),
        "heard_at": represent_time(row.heard_at),
    }


def _delivery(row: HookDelivery) -> dict[str, Any]:
    words = ("event", "name", "address", "size", "times", "replayed_by", "decision", "told", "ref", "revision")
    return {
        **{word: getattr(row, word) for word in words},
        "id": row.pk,
        "source": row.source_id,
        "kind": row.source.kind,
        "application": row.source.application.name,
        "received_at": represent_time(row.received_at),
        "of": row.of_id,
        "targets": [],
    }


def _decisions(user: User, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    rows = HookDecision.objects.filter(sight.of_targets(user, "target__"), delivery__in=ids)
    found: dict[int, list[dict[str, Any]]] = {}
    for one in rows.select_related("target__application", "target__environment").order_by("pk"):
        facts = {"target": one.target.slug, "decision": one.word, "told": one.told, "deploy": one.deploy_id}
        found.setdefault(one.delivery_id, []).append(facts)
    return found
