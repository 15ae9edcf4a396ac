"""Sources of hosts: looked at before they are saved, read again and again, and never followed where that does harm."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.api.sources_schemas import Accept, ChangeSource, NewSource, OutcomeOut, SourceOut
from environments import sight
from environments.access import ADMINISTER, VIEW
from environments.models import Environment, HostSource
from environments.sources import keeping, refreshing
from environments.sources.keeping import Plan
from environments.sources.refreshing import Outcome

router = Router(tags=["sources"])
_REFUSED = {400: ProblemOut, 409: ProblemOut, 502: ProblemOut}
_ADMINISTER = Needs(ADMINISTER, everywhere=True)


@router.get("/sources", auth=Needs(VIEW), response=Page[SourceOut], summary="Sources of hosts, and how each is")
def list_sources(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    places = Environment.objects.filter(sight.of_environments(caller_of(request).user))
    rows = HostSource.objects.filter(environment__in=places).select_related("environment")
    rows = rows.annotate(number=Count("given"))
    return page(rows, key="name", cursor=cursor, represent=_represent)


@router.post(
    "/sources/preview",
    auth=_ADMINISTER,
    response={200: OutcomeOut, **_REFUSED},
    summary="What a source would add; nothing is saved",
)
def preview_source(request: HttpRequest, payload: NewSource) -> dict[str, Any]:
    return _outcome(keeping.preview(Plan(**payload.dict()), by=caller_of(request).user))


@router.post(
    "/sources", auth=_ADMINISTER, response={201: OutcomeOut, **_REFUSED}, summary="Save a source and follow it"
)
def add_source(request: HttpRequest, response: HttpResponse, payload: NewSource) -> Status[Any]:
    _, outcome = keeping.add(Plan(**payload.dict()), by=caller_of(request).user)
    return Status(201, _outcome(outcome))


@router.put(
    "/sources/{source}", auth=_ADMINISTER, response={200: OutcomeOut, **_REFUSED}, summary="Change a source, follow it"
)
def change_source(request: HttpRequest, source: Name, payload: ChangeSource) -> dict[str, Any]:
    found, facts = _find(source), payload.dict()
    removal = facts.pop("removal")
    return _outcome(keeping.change(found, Plan(kind=found.kind, **facts), accept=removal, by=caller_of(request).user))


@router.post(
    "/sources/{source}/refresh", auth=_ADMINISTER, response={200: OutcomeOut, **_REFUSED}, summary="Read it now"
)
def refresh_source(request: HttpRequest, source: Name) -> dict[str, Any]:
    return _outcome(refreshing.refresh(_find(source), by=caller_of(request).user))


@router.post(
    "/sources/{source}/accept",
    auth=_ADMINISTER,
    response={200: OutcomeOut, **_REFUSED},
    summary="Let those leave whom a source names no more",
)
def accept_removal(request: HttpRequest, source: Name, payload: Accept) -> dict[str, Any]:
    return _outcome(refreshing.accept(_find(source), payload.removal, by=caller_of(request).user))


@router.delete("/sources/{source}", auth=_ADMINISTER, response={204: None}, summary="Read it no more")
def remove_source(request: HttpRequest, source: Name, hosts: bool = False) -> Status[None]:
    """With `hosts=true` its hosts leave with it; otherwise they stay, as if they had been typed in."""
    keeping.remove(_find(source), by=caller_of(request).user, hosts=hosts)
    return Status(204, None)


def _find(name: str) -> HostSource:
    found = HostSource.objects.select_related("environment", "zone__region").filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no source {name}.")
    return found


def _represent(row: Any) -> dict[str, Any]:
    words = ("name", "kind", "every_minutes", "before_deploys", "share", "trusted", "trouble", "leaving")
    times = ("trouble_since", "looked_at", "good_at")
    kept = row.trouble and not (row.good_at and row.good_at == row.looked_at)
    return {
        **{word: getattr(row, word) for word in words},
        **{word: represent_time(getattr(row, word)) for word in times},
        "environment": row.environment.name,
        "hosts": row.number,
        "state": "kept" if kept else "followed" if row.good_at else "new",
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    difference = outcome.difference
    return {
        "added": [one.name for one in outcome.meant],
        "changed": [{"host": one.known.name, "words": "; ".join(one.words)} for one in difference.changed],
        "same": difference.same,
        "leaving": [one.name for one in difference.gone],
        "removal": difference.removal,
        "wrong": [{"where": one.where, "text": one.text} for one in outcome.wrong],
        "left_out": [{"where": one.where, "text": one.text} for one in outcome.left_out],
        "kept": outcome.kept,
    }
