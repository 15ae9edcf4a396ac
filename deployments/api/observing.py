"""Hosts as they are found: looked at without writing anything, and taken up when somebody says so."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from deployments import observations
from deployments.api.auth import Needs, caller_of
from deployments.api.host_words import find_host
from deployments.api.paging import Name
from deployments.api.representation import represent_time
from deployments.api.schemas import ProblemOut, Strict
from deployments.models import Observation
from environments import observing
from environments.access import ADMINISTER, DEPLOY

router = Router(tags=["inventory"])


class TroubleOut(Schema):
    kind: str
    level: Annotated[str, Field(description="`bad` keeps deploys out, `warn` may.")]
    what: str
    means: str
    do: str


class FolderOut(Schema):
    """What was seen in one folder."""

    root: str
    at: str
    login: Annotated[bool, Field(description="Whether it let us in and answered.")]
    current: str
    revision: str
    layout: str
    releases: int
    free_kb: int | None
    folder: Annotated[str, Field(description="`writable`, `creatable`, or why it can be neither.")]
    sudo: str
    missing: Annotated[str, Field(description="Tools that it lacks.")]
    system: str
    troubles: list[TroubleOut]


class ProbeOut(Schema):
    host: str
    observed: bool
    folders: list[FolderOut]


class Folder(Strict):
    root: Annotated[str, Field(max_length=500, description="Empty: only where targets say.")]


@router.post(
    "/hosts/{host}/probe",
    auth=Needs(DEPLOY),
    response={200: ProbeOut, 404: ProblemOut},
    summary="Look at a host now; nothing is written there",
)
def probe_host(request: HttpRequest, host: Name) -> dict[str, Any]:
    user = caller_of(request).user
    found = find_host(host, user)
    rows = observations.probe(found, by=user)
    return {"host": found.name, "observed": found.observed, "folders": [_folder(row) for row in rows]}


@router.put(
    "/hosts/{host}/folder",
    auth=Needs(ADMINISTER, everywhere=True),
    response={204: None, 400: ProblemOut, 409: ProblemOut},
    summary="Say in which folder of an observed host to look",
)
def name_folder(request: HttpRequest, host: Name, payload: Folder) -> Status[None]:
    user = caller_of(request).user
    observing.look_in(find_host(host, user), payload.root, by=user)
    return Status(204, None)


@router.post(
    "/hosts/{host}/take-up",
    auth=Needs(ADMINISTER, everywhere=True),
    response={204: None, 409: ProblemOut},
    summary="Let deploys go to a host that was only observed",
)
def take_up_host(request: HttpRequest, host: Name) -> Status[None]:
    user = caller_of(request).user
    observing.take_up(find_host(host, user), by=user)
    return Status(204, None)


def _folder(row: Observation) -> dict[str, Any]:
    words = ("root", "login", "current", "revision", "layout", "releases", "troubles")
    more = {name: row.facts[name] for name in ("free_kb", "folder", "sudo", "missing", "system")}
    return {word: getattr(row, word) for word in words} | more | {"at": represent_time(row.at)}
