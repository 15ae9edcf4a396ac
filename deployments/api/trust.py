"""Which machines are who they say: authorities that sign keys of hosts, and keys confirmed many at once."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Cursor, Name, page
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import Page, ProblemOut, Strict
from environments import host_authorities, trusting
from environments.access import ADMINISTER
from environments.models import Host, HostAuthority
from environments.ssh import fingerprint

router = Router(tags=["trust"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED = {400: ProblemOut, 409: ProblemOut}


class AuthorityOut(Schema):
    id: int
    patterns: Annotated[str, Field(description="For which hosts it may speak, as in known_hosts.")]
    algorithm: str
    fingerprint: str
    accepted_by: str
    accepted_at: str


class Authorities(Strict):
    lines: Annotated[str, Field(max_length=60_000, description="`@cert-authority *.example.com ssh-ed25519 AAAA…`")]


class UnconfirmedOut(Schema):
    host: str
    address: str
    port: int


class Look(Strict):
    hosts: Annotated[list[Name], Field(min_length=1, max_length=trusting.MOST)]
    known: Annotated[str, Field(max_length=60_000, description="known_hosts, ssh-keyscan's output, fingerprints.")] = ""


class ShownKey(Schema):
    algorithm: str
    fingerprint: str


class LookedOut(Schema):
    host: str
    shown: list[ShownKey]
    verdict: Annotated[str, Field(description="agrees, differs or absent, by `known`; empty without one.")]
    agreed: Annotated[str, Field(description="The fingerprint that agrees; or empty.")]
    trouble: str


class LooksOut(Schema):
    hosts: list[LookedOut]


class Approve(Strict):
    approved: Annotated[dict[Name, str], Field(min_length=1, max_length=trusting.MOST, description="Host: `SHA256:…`")]


class ApprovedOut(Schema):
    hosts: list[str]


@router.get("/trust/authorities", auth=_ADMINISTER, response=Page[AuthorityOut], summary="Authorities of host keys")
def list_authorities(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(HostAuthority.objects.all(), key="id", cursor=cursor, represent=_authority)


@router.post(
    "/trust/authorities",
    auth=_ADMINISTER,
    response={201: list[AuthorityOut], **_REFUSED},
    summary="Trust certificates of hosts that an authority has signed",
)
def trust_authority(request: HttpRequest, payload: Authorities) -> Status[Any]:
    rows = host_authorities.trust(payload.lines, by=caller_of(request).user)
    return Status(201, [_authority(row) for row in rows])


@router.delete("/trust/authorities/{authority_id}", auth=_ADMINISTER, response={204: None}, summary="Trust it no more")
def distrust_authority(request: HttpRequest, authority_id: int) -> Status[None]:
    found = HostAuthority.objects.filter(pk=authority_id).first()
    if found is None:
        raise NotFound(f"There is no authority {authority_id}.")
    host_authorities.distrust(found, by=caller_of(request).user)
    return Status(204, None)


@router.get(
    "/trust/unconfirmed", auth=_ADMINISTER, response=Page[UnconfirmedOut], summary="Hosts whose keys nobody confirmed"
)
def list_unconfirmed(request: HttpRequest, cursor: Cursor = "") -> dict[str, Any]:
    return page(trusting.unconfirmed(), key="name", cursor=cursor, represent=_unconfirmed)


@router.post(
    "/trust/look",
    auth=_ADMINISTER,
    response={200: LooksOut, **_REFUSED},
    summary="What such hosts show now, compared with a list; nothing is accepted",
)
def look_at_keys(request: HttpRequest, payload: Look) -> dict[str, Any]:
    looked = trusting.look(payload.hosts, text=payload.known, by=caller_of(request).user)
    return {
        "hosts": [
            {
                "host": one.host.name,
                "shown": [{"algorithm": key.algorithm, "fingerprint": key.fingerprint} for key in one.shown],
                "verdict": one.verdict,
                "agreed": one.agreed.fingerprint if one.agreed else "",
                "trouble": one.trouble,
            }
            for one in looked
        ]
    }


@router.post(
    "/trust/approve",
    auth=_ADMINISTER,
    response={200: ApprovedOut, **_REFUSED},
    summary="Trust such hosts by these fingerprints, all or none",
)
def approve_keys(request: HttpRequest, payload: Approve) -> dict[str, Any]:
    hosts = trusting.approve(payload.approved, by=caller_of(request).user)
    return {"hosts": [host.name for host in hosts]}


def _unconfirmed(row: Host) -> dict[str, Any]:
    return {"host": row.name, "address": row.address, "port": row.port}


def _authority(row: HostAuthority) -> dict[str, Any]:
    return {
        "id": row.pk,
        "patterns": row.patterns,
        "algorithm": row.algorithm,
        "fingerprint": fingerprint(row.key),
        "accepted_by": row.accepted_by,
        "accepted_at": represent_time(row.accepted_at),
    }
