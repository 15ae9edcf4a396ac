"""Endpoints: any branch at an address of its own, and what an environment offers of them."""

from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import Field

from deployments import lifecycle
from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Name
from deployments.api.problems import NotFound
from deployments.api.representation import absolute, represent_time
from deployments.api.schemas import DeployOut, ProblemOut
from deployments.api.targets import MADE, find_target, made, trigger_of
from environments import endpoints, sight
from environments.access import ADMINISTER, DEPLOY, VIEW
from environments.models import Endpoint, EndpointOffer, Environment, Target
from environments.validation import NAME

router = Router(tags=["endpoints"])
MOST_HOURS = 24 * 90


class MakeEndpoint(Schema):
    branch: Annotated[str, Field(min_length=1, max_length=200, description="Or a tag, or a commit.")]
    name: Annotated[str, Field(max_length=63, description="Empty: made of the branch.")] = ""
    hours: Annotated[int | None, Field(ge=1, le=MOST_HOURS, description="At most as the environment says.")] = None


class EndpointOut(Schema):
    name: str
    target: Annotated[str, Field(description="`shop/staging/feature-x`, as other operations and locks write it.")]
    branch: str
    address: str
    port: int | None
    by: str
    made_at: str
    until: Annotated[str, Field(description="Then it is taken away.")]
    going: Annotated[bool, Field(description="It is being taken away.")]
    url: str


class EndpointMade(Schema):
    endpoint: EndpointOut
    deploy: Annotated[int, Field(description="The number in the address of its first deploy.")]


class Offer(Schema):
    address: Annotated[
        str,
        Field(
            max_length=200,
            description="`https://{application}-{endpoint}.staging.example.com`; `{port}` stands for the port.",
        ),
    ]
    role: Annotated[
        str, Field(pattern=f"^({NAME})?$", max_length=63, description="Only hosts with it serve endpoints; empty: all.")
    ] = ""
    first_port: Annotated[int | None, Field(ge=1024, le=65_535)] = None
    last_port: Annotated[int | None, Field(ge=1024, le=65_535)] = None
    most: Annotated[int, Field(ge=1, le=500)] = 20
    most_each: Annotated[int, Field(ge=0, le=500, description="Of one person; 0: no limit.")] = 5
    hours: Annotated[int, Field(ge=1, le=MOST_HOURS)] = 72


@router.get(
    "/targets/{application}/{environment}/endpoints",
    auth=Needs(VIEW),
    response=list[EndpointOut],
    summary="The endpoints of a target",
)
def list_endpoints(request: HttpRequest, application: Name, environment: Name) -> list[dict[str, Any]]:
    target = find_target(request, application, environment)
    return [represent_endpoint(row) for row in _of(target).order_by("target__name")]


@router.post(
    "/targets/{application}/{environment}/endpoints",
    auth=Needs(DEPLOY),
    response={201: EndpointMade, 409: ProblemOut},
    summary="Make an endpoint from a branch, and deploy it",
)
def make_endpoint(
    request: HttpRequest, response: HttpResponse, application: Name, environment: Name, payload: MakeEndpoint
) -> Status[Any]:
    target, caller = find_target(request, application, environment), caller_of(request)
    deploy = lifecycle.make_endpoint(
        target,
        payload.branch,
        by=caller.user,
        name=payload.name,
        hours=payload.hours,
        trigger=trigger_of(request),
        automatic=caller.machine,
    )
    row = _of(target).get(target=deploy.target_id)
    response["Location"] = reverse("api:read_target", args=[application, row.target.place])
    return Status(201, {"endpoint": represent_endpoint(row), "deploy": deploy.pk})


@router.post(
    "/targets/{application}/{environment}/endpoints/{endpoint}/extend",
    auth=Needs(DEPLOY),
    response={200: EndpointOut, 409: ProblemOut},
    summary="It lives as long from now on as a new one",
)
def extend_endpoint(request: HttpRequest, application: Name, environment: Name, endpoint: Name) -> dict[str, Any]:
    row = _find(find_target(request, application, environment), endpoint)
    endpoints.extend(row, by=caller_of(request).user)
    return represent_endpoint(row)


@router.delete(
    "/targets/{application}/{environment}/endpoints/{endpoint}",
    auth=Needs(DEPLOY),
    response=MADE,
    summary="Take an endpoint away: what serves is stopped, its folder removed",
)
def take_endpoint_away(
    request: HttpRequest, response: HttpResponse, application: Name, environment: Name, endpoint: Name
) -> Status[DeployOut]:
    row, caller = _find(find_target(request, application, environment), endpoint), caller_of(request)
    deploy = lifecycle.take_away(row, by=caller.user, trigger=trigger_of(request), automatic=caller.machine)
    return made(response, deploy)


@router.get(
    "/environments/{environment}/endpoints", auth=Needs(VIEW), response=Offer, summary="What it offers of endpoints"
)
def read_endpoint_offer(request: HttpRequest, environment: Name) -> dict[str, Any]:
    offer = EndpointOffer.objects.filter(environment=_environment(request, environment)).first()
    if offer is None:
        raise NotFound(f"{environment} offers no endpoints.")
    return endpoints.facts_of(offer)


@router.put(
    "/environments/{environment}/endpoints",
    auth=Needs(ADMINISTER),
    response={200: Offer, 400: ProblemOut},
    summary="Offer endpoints, or change on which terms",
)
def set_endpoint_offer(request: HttpRequest, environment: Name, payload: Offer) -> dict[str, Any]:
    place = _environment(request, environment)
    return endpoints.facts_of(endpoints.set_offer(place, by=caller_of(request).user, **payload.dict()))


@router.delete(
    "/environments/{environment}/endpoints",
    auth=Needs(ADMINISTER),
    response={204: None},
    summary="Offer none any more; those that exist live to their end",
)
def withdraw_endpoint_offer(request: HttpRequest, environment: Name) -> Status[None]:
    endpoints.withdraw_offer(_environment(request, environment), by=caller_of(request).user)
    return Status(204, None)


def _of(target: Target) -> QuerySet[Endpoint]:
    return endpoints.existing().filter(target__parent=target)


def _find(target: Target, name: str) -> Endpoint:
    found = _of(target).filter(target__name=name).first()
    if found is None:
        raise NotFound(f"There is no endpoint {target.slug}/{name}.")
    return found


def _environment(request: HttpRequest, name: str) -> Environment:
    found = Environment.objects.filter(sight.of_environments(caller_of(request).user), name=name).first()
    if found is None:
        raise NotFound(f"There is no environment {name}.")
    return found


def represent_endpoint(row: Endpoint) -> dict[str, Any]:
    target = row.target
    return {
        "name": target.name,
        "target": target.slug,
        "branch": row.branch,
        "address": row.address,
        "port": row.port,
        "by": row.by_name,
        "made_at": represent_time(row.made_at),
        "until": represent_time(row.until),
        "going": row.ending_at is not None,
        "url": absolute(reverse("target", args=[target.application.name, target.place])),
    }
