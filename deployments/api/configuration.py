"""Configuration of a target's hosts: what it is, every change of it, and changing it. Secrets go in and never out."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Status
from pydantic import Field

from deployments import lifecycle, release_configuration
from deployments.api.auth import Needs, caller_of
from deployments.api.configuration_schemas import (
    ConfigurationChangeOut,
    ConfigurationOut,
    ConfigurationValueOut,
    DeliveryOut,
    DifferencesOut,
    SetDelivery,
    SetValue,
)
from deployments.api.paging import Cursor, Id, Name, Place, page
from deployments.api.problems import NotFound, Unacceptable
from deployments.api.representation import represent_time
from deployments.api.schemas import Again, Page, ProblemOut
from deployments.api.targets import MADE, find_target, made, trigger_of
from deployments.models import Standing
from environments.access import DEPLOY, MAINTAIN, VIEW
from environments.configuration import changing, comparing, delivering, merging, referring, scopes
from environments.configuration.delivering import Delivery
from environments.configuration.merging import Layers, Merged
from environments.models import ConfigurationValue, Host, Target
from environments.secret_stores.references import Reference

router = Router(tags=["configuration"])
Variable = Annotated[str, Path(max_length=200)]
LayerName = Annotated[str, Path(max_length=20)]
Of = Annotated[str, Field(max_length=200)]
REFUSED: Any = {400: ProblemOut, 403: ProblemOut, 404: ProblemOut, 409: ProblemOut}


@router.get(
    "/targets/{application}/{place:environment}/configuration",
    auth=Needs(VIEW),
    response=ConfigurationOut,
    summary="What a host gets, and which layer says so; without a host: what all have in common",
)
def read_configuration(
    request: HttpRequest, application: Name, environment: Place, host: Name | None = None
) -> dict[str, Any]:
    target = find_target(request, application, environment)
    machine = _host(target, host) if host else None
    return {
        "application": application,
        "environment": environment,
        "host": machine.name if machine else "",
        "values": [_value(it) for it in Layers.read(target).merged(machine)],
        "delivery": _delivery(target),
        "pending": _is_pending(target),
    }


@router.put(
    "/targets/{application}/{environment}/configuration/delivery",
    auth=Needs(MAINTAIN),
    response={200: DeliveryOut, **REFUSED},
    summary="Say where in a release its configuration lies",
)
def set_delivery(request: HttpRequest, application: Name, environment: Name, payload: SetDelivery) -> dict[str, Any]:
    target = find_target(request, application, environment)
    wanted = Delivery(payload.env_file, payload.json_file, tuple(payload.files))
    delivering.set_delivery(target, wanted, by=caller_of(request).user)
    return _delivery(target)


@router.put(
    "/targets/{application}/{place:environment}/configuration/{layer}/{name}",
    auth=Needs(MAINTAIN),
    response={200: ConfigurationValueOut, **REFUSED},
    summary="Set a value in one layer",
)
def set_value(
    request: HttpRequest, application: Name, environment: Place, layer: LayerName, name: Variable, payload: SetValue
) -> dict[str, Any]:
    scope = scopes.find_scope(find_target(request, application, environment), layer, payload.of)
    by, lies = caller_of(request).user, payload.lies_in
    if lies is None and "value" not in payload.model_fields_set:
        raise Unacceptable("Say either `value`, or `lies_in`: where it lies. Nothing was changed.")
    if lies is not None and (payload.value or payload.secret is False):
        raise Unacceptable("What lies elsewhere is a secret and has no value here. Nothing was changed.")
    if lies is not None:
        referring.set_reference(scope, name, Reference(lies.store, lies.path, lies.key), by=by)
    else:
        changing.set_value(scope, name, payload.value, secret=payload.secret, by=by)
    return _value(Merged(ConfigurationValue.objects.get(name=name, latest=True, **scope.column)))


@router.delete(
    "/targets/{application}/{place:environment}/configuration/{layer}/{name}",
    auth=Needs(MAINTAIN),
    response={204: None, **REFUSED},
    summary="Remove a value from one layer; those below decide then",
)
def remove_value(
    request: HttpRequest, application: Name, environment: Place, layer: LayerName, name: Variable, of: Of = ""
) -> HttpResponse:
    scope = scopes.find_scope(find_target(request, application, environment), layer, of)
    changing.remove_value(scope, name, by=caller_of(request).user)
    return HttpResponse(status=204)


@router.get(
    "/targets/{application}/{place:environment}/configuration/changes",
    auth=Needs(VIEW),
    response=Page[ConfigurationChangeOut],
    summary="Every change of a value that reaches this target, the newest first",
)
def list_changes(request: HttpRequest, application: Name, environment: Place, cursor: Cursor = "") -> dict[str, Any]:
    rows = merging.with_places(merging.reaching(find_target(request, application, environment)))
    return page(rows, key="pk", cursor=cursor, represent=_change, newest_first=True)


@router.post(
    "/targets/{application}/{place:environment}/configuration/changes/{change}/undo",
    auth=Needs(MAINTAIN),
    response={200: ConfigurationChangeOut, **REFUSED},
    summary="Undo the newest change of a name in one place",
)
def undo_change(request: HttpRequest, application: Name, environment: Place, change: Id) -> dict[str, Any]:
    rows = merging.with_places(merging.reaching(find_target(request, application, environment)))
    found = rows.filter(pk=change).first()
    if found is None:
        raise NotFound(f"There is no change {change} of the configuration of {application}/{environment}.")
    return _change(changing.undo(found, by=caller_of(request).user))


@router.get(
    "/targets/{application}/{place:environment}/configuration/differences",
    auth=Needs(VIEW),
    response={200: DifferencesOut, **REFUSED},
    summary="What differs from another environment, or from what it was after an earlier change",
)
def list_differences(
    request: HttpRequest, application: Name, environment: Place, other: Name | None = None, since: Id | None = None
) -> dict[str, Any]:
    target = find_target(request, application, environment)
    if (other is None) == (since is None):
        raise Unacceptable("Name either `other`, an environment to compare with, or `since`, the id of a change.")
    if since is not None:
        found = comparing.between_times(target, since)
    else:
        compared = find_target(request, application, other or "")
        found = comparing.between_targets(compared, target)
    return {
        "items": [
            {"name": it.name, "word": it.word, "before": _side(it.before), "after": _side(it.after)} for it in found
        ]
    }


@router.post(
    "/targets/{application}/{place:environment}/configuration/deploys",
    auth=Needs(DEPLOY),
    response=MADE,
    summary="Deploy what is live once more, with the configuration of now",
)
def deploy_configuration(
    request: HttpRequest, response: HttpResponse, application: Name, environment: Place, payload: Again | None = None
) -> Status[Any]:
    caller, asked = caller_of(request), payload or Again()
    deploy = lifecycle.deploy_configuration(
        find_target(request, application, environment),
        by=caller.user,
        trigger=trigger_of(request),
        automatic=caller.machine,
        said=lifecycle.Passing(confirmed=asked.confirm, override=asked.override),
    )
    return made(response, deploy)


def _is_pending(target: Target) -> bool:
    standing = Standing.objects.filter(target=target).select_related("live__release").first()
    live = standing.live if standing else None
    return live is not None and release_configuration.differs(target, live.release)


def _host(target: Target, name: str) -> Host:
    found = Host.objects.select_related("zone__region").filter(memberships__environment=target.environment, name=name)
    host = found.first()
    if host is None:
        raise NotFound(f"There is no host {name} in {target.environment.name}.")
    return host


def _delivery(target: Target) -> dict[str, Any]:
    found = Delivery.of(target)
    return {"env_file": found.env, "json_file": found.json, "files": list(found.files)}


def _value(it: Merged) -> dict[str, Any]:
    covered = [_side(Merged(row)) for row in it.covered]
    row = it.row
    more = {"name": it.name, "change": row.pk, "by": row.by_name, "at": represent_time(row.at), "covered": covered}
    said: dict[str, Any] = _side(it)
    return said | more


def _side(it: Merged | None) -> Any:
    if it is None:
        return None
    lies = it.reference
    return {
        "value": None if it.secret else it.row.text,
        "secret": it.secret,
        "lies_in": {"store": lies.store, "path": lies.path, "key": lies.key} if lies else None,
        "layer": it.layer,
        "of": it.source,
    }


def _change(row: ConfigurationValue) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "layer": row.layer,
        "of": str(row.of),
        "kind": row.kind,
        "value": row.text if row.kind == "text" else None,
        "latest": row.latest,
        "undoes": row.undoes_id,
        "by": row.by_name,
        "at": represent_time(row.at),
    }
