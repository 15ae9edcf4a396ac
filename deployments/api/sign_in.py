"""Who else says who people are, what groups there mean here, and whom passwords let in."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Id, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.api.sign_in_schemas import (
    ChangeProvider,
    MapGroup,
    MappingOut,
    NewProvider,
    Passwords,
    ProviderOut,
    TestedOut,
)
from environments.access import ADMINISTER
from environments.models import GroupMapping, SignInProvider, Team
from environments.providers import flow, keeping, passwords, testing
from environments.providers.keeping import KEPT, Plan

router = Router(tags=["sign-in"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED: Any = {400: ProblemOut, 409: ProblemOut}


@router.get("/sign-in/providers", auth=_ADMINISTER, response=Page[ProviderOut], summary="Sign-in providers")
def list_providers(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(SignInProvider.objects.all(), key="name", cursor=cursor, represent=_represent)


@router.post(
    "/sign-in/providers", auth=_ADMINISTER, response={201: ProviderOut, **_REFUSED}, summary="Set up a provider"
)
def add_provider(request: HttpRequest, payload: NewProvider) -> Status[Any]:
    return Status(201, _represent(keeping.add(Plan(**payload.dict()), by=caller_of(request).user)))


@router.put(
    "/sign-in/providers/{provider}",
    auth=_ADMINISTER,
    response={200: ProviderOut, **_REFUSED},
    summary="Ask it otherwise, switch it on or off",
)
def change_provider(request: HttpRequest, provider: Name, payload: ChangeProvider) -> dict[str, Any]:
    """What is left out is as with a new one, but for the secret, which stays."""
    found = _find(provider)
    keeping.change(found, Plan(name=found.name, **payload.dict()), by=caller_of(request).user)
    return _represent(found)


@router.post(
    "/sign-in/providers/{provider}/test",
    auth=_ADMINISTER,
    response={200: TestedOut, **_REFUSED},
    summary="Ask it now; nobody is signed in",
)
def try_provider(request: HttpRequest, provider: Name) -> dict[str, Any]:
    """Whether it can be used: its metadata, its keys, and whether it takes our client."""
    found = testing.try_out(_find(provider), by=caller_of(request).user)
    return {"findings": [{"tone": one.tone, "words": one.words} for one in found]}


@router.delete(
    "/sign-in/providers/{provider}", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Ask it no more"
)
def remove_provider(request: HttpRequest, provider: Name) -> Status[None]:
    """Who came in by it stays, without what its groups gave."""
    keeping.remove(_find(provider), by=caller_of(request).user)
    return Status(204, None)


@router.get(
    "/sign-in/providers/{provider}/groups", auth=_ADMINISTER, response=Page[MappingOut], summary="What its groups mean"
)
def list_mappings(request: HttpRequest, provider: Name, cursor: Cursor = "") -> dict[str, Any]:
    rows = GroupMapping.objects.filter(provider=_find(provider)).select_related("team")
    return page(rows, key="pk", cursor=cursor, represent=_mapping)


@router.post(
    "/sign-in/providers/{provider}/groups",
    auth=_ADMINISTER,
    response={201: MappingOut, **_REFUSED},
    summary="Let a group mean a team, or a role everywhere",
)
def map_group(request: HttpRequest, provider: Name, payload: MapGroup) -> Status[Any]:
    """At once also for who is here already. Another role for the same group is replaced."""
    found = _find(provider)
    team = Team.objects.filter(name=payload.team).first() if payload.team else None
    if payload.team and team is None:
        raise NotFound(f"There is no team {payload.team}. Nothing was changed.")
    made = keeping.map_group(found, payload.group, team=team, role=payload.role, by=caller_of(request).user)
    return Status(201, _mapping(made))


@router.delete(
    "/sign-in/providers/{provider}/groups/{mapping_id}",
    auth=_ADMINISTER,
    response={204: None, **_REFUSED},
    summary="Let a group mean that no more",
)
def unmap_group(request: HttpRequest, provider: Name, mapping_id: Id) -> Status[None]:
    """What only it gave is taken at once."""
    keeping.unmap_group(_find(provider), mapping_id, by=caller_of(request).user)
    return Status(204, None)


@router.get("/sign-in/passwords", auth=_ADMINISTER, response=Passwords, summary="Whom passwords let in")
def read_passwords(request: HttpRequest) -> dict[str, Any]:
    """As it was said; as long as no provider is switched on they let everyone in."""
    return {"whom": "everyone" if passwords.are_said_for_all() else "administrators"}


@router.put("/sign-in/passwords", auth=_ADMINISTER, response={200: Passwords, **_REFUSED}, summary="Change it")
def change_passwords(request: HttpRequest, payload: Passwords) -> dict[str, Any]:
    """Administrators always may. Doing it twice is harmless."""
    for_all = payload.whom == "everyone"
    if for_all != passwords.are_said_for_all():
        passwords.set_for_all(for_all, by=caller_of(request).user)
    return read_passwords(request)


def _find(name: str) -> SignInProvider:
    found = SignInProvider.objects.filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no sign-in provider {name}.")
    return found


def _represent(row: SignInProvider) -> dict[str, Any]:
    kept = {name: getattr(row, name) for name in KEPT}
    more = {"callback": flow.address_of(row), "asked_at": represent_time(row.asked_at), "trouble": row.trouble}
    return {"name": row.name, **kept, **more}


def _mapping(row: GroupMapping) -> dict[str, Any]:
    return {"id": row.pk, "group": row.group, "team": row.team.name if row.team else None, "role": row.role}
