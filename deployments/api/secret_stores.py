"""Where secrets lie that values refer to: a Vault, or a program. Their credentials go in and never come out."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut
from deployments.api.secret_stores_schemas import ChangeStore, NewStore, StoreOut, TriedOut, TryStore
from environments.access import ADMINISTER
from environments.models import SecretStore
from environments.secret_stores import keeping
from environments.secret_stores.keeping import Plan

router = Router(tags=["secret stores"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED: Any = {400: ProblemOut, 409: ProblemOut, 502: ProblemOut}


@router.get("/secret-stores", auth=_ADMINISTER, response=Page[StoreOut], summary="Secret stores, and how each is")
def list_stores(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(SecretStore.objects.all(), key="name", cursor=cursor, represent=_represent)


@router.post("/secret-stores", auth=_ADMINISTER, response={201: StoreOut, **_REFUSED}, summary="Set up a secret store")
def add_store(request: HttpRequest, payload: NewStore) -> Status[Any]:
    return Status(201, _represent(keeping.add(Plan(**payload.dict()), by=caller_of(request).user)))


@router.put(
    "/secret-stores/{store}",
    auth=_ADMINISTER,
    response={200: StoreOut, **_REFUSED},
    summary="Ask it elsewhere, or with another credential",
)
def change_store(request: HttpRequest, store: Name, payload: ChangeStore) -> dict[str, Any]:
    found = _find(store)
    keeping.change(found, Plan(kind=found.kind, **payload.dict()), by=caller_of(request).user)
    return _represent(found)


@router.post(
    "/secret-stores/{store}/test",
    auth=_ADMINISTER,
    response={200: TriedOut, **_REFUSED},
    summary="Ask it now; no value is given out",
)
def try_store(request: HttpRequest, store: Name, payload: TryStore | None = None) -> dict[str, Any]:
    asked = payload or TryStore()
    found = keeping.try_out(_find(store), path=asked.path, key=asked.key, by=caller_of(request).user)
    return {"words": found.words, "keys": list(found.keys), "version": found.version}


@router.delete("/secret-stores/{store}", auth=_ADMINISTER, response={204: None, **_REFUSED}, summary="Ask it no more")
def remove_store(request: HttpRequest, store: Name) -> Status[None]:
    """Refused while a value refers to it."""
    keeping.remove(_find(store), by=caller_of(request).user)
    return Status(204, None)


def _find(name: str) -> SecretStore:
    found = SecretStore.objects.filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no secret store {name}.")
    return found


def _represent(row: SecretStore) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "settings": row.settings,
        "asked_at": represent_time(row.asked_at),
        "trouble": row.trouble,
    }
