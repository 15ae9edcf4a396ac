"""What people say of hosts: a note, labels by which targets choose them, and that they take no part for a while."""

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Name
from deployments.api.problems import NotFound
from deployments.api.schemas import ProblemOut, Strict
from environments import adding_hosts, host_notes, setting_aside, sight
from environments.access import ADMINISTER, DEPLOY
from environments.models import Environment, Host, User

router = Router(tags=["inventory"])


class Note(Strict):
    text: Annotated[str, Field(max_length=host_notes.LONGEST, description="Empty: none any more.")]


class AsideIn(Strict):
    how: Literal["drained", "quarantined"]
    reason: Annotated[str, Field(max_length=setting_aside.LONGEST, description="Others will ask why.")]


class Labels(Strict):
    labels: Annotated[dict[str, Annotated[str, Field(max_length=200)]], Field(max_length=50)]


@router.put(
    "/hosts/{host}/note", auth=Needs(DEPLOY), response={204: None, 400: ProblemOut}, summary="Note something of a host"
)
def note_host(request: HttpRequest, host: Name, payload: Note) -> Status[None]:
    user = caller_of(request).user
    host_notes.write(find_host(host, user), payload.text, by=user)
    return Status(204, None)


@router.put(
    "/environments/{environment}/hosts/{host}/labels",
    auth=Needs(ADMINISTER, everywhere=True),
    response={204: None, 400: ProblemOut},
    summary="Say by which labels targets choose a host",
)
def label_host(request: HttpRequest, environment: Name, host: Name, payload: Labels) -> Status[None]:
    user = caller_of(request).user
    place = Environment.objects.filter(name=environment).first()
    if place is None:
        raise NotFound(f"There is no environment {environment}.")
    adding_hosts.label(find_host(host, user), place, payload.labels, by=user)
    return Status(204, None)


@router.put(
    "/hosts/{host}/aside",
    auth=Needs(DEPLOY),
    response={204: None, 400: ProblemOut, 409: ProblemOut},
    summary="Let deploys leave a host out: drained, or in quarantine",
)
def set_host_aside(request: HttpRequest, host: Name, payload: AsideIn) -> Status[None]:
    user = caller_of(request).user
    setting_aside.set_aside(find_host(host, user), how=payload.how, why=payload.reason, by=user)
    return Status(204, None)


@router.delete(
    "/hosts/{host}/aside",
    auth=Needs(DEPLOY),
    response={204: None, 409: ProblemOut},
    summary="Let deploys go to a host again",
)
def take_host_back(request: HttpRequest, host: Name) -> Status[None]:
    user = caller_of(request).user
    setting_aside.take_back(find_host(host, user), by=user)
    return Status(204, None)


def find_host(name: str, user: User) -> Host:
    """One that the caller sees. Raises NotFound."""
    rows = Host.objects.filter(sight.of_hosts(user), name=name).prefetch_related("memberships", "keys")
    found = rows.select_related("zone__region__gateway").first()
    if found is None:
        raise NotFound(f"There is no host {name}.")
    return found
