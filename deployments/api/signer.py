"""The command that signs the Deployer's own key, and the certificate that it gave last."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from deployments.api.auth import Needs, caller_of
from deployments.api.problems import NotFound
from deployments.api.representation import represent_time
from deployments.api.schemas import ProblemOut, Strict
from environments import signing
from environments.access import ADMINISTER
from environments.models import Signer

router = Router(tags=["trust"])
_ADMINISTER = Needs(ADMINISTER, everywhere=True)
_REFUSED: Any = {400: ProblemOut, 404: ProblemOut, 502: ProblemOut}


class SetSigner(Strict):
    command: Annotated[str, Field(max_length=1000, description="In a folder of SOURCE_SCRIPTS.")]
    principal: Annotated[str, Field(max_length=32, description="Whom hosts let in by it.")]
    minutes: Annotated[int, Field(description="For how long each certificate is wanted.")] = 60


class SignerOut(Schema):
    command: str
    principal: str
    minutes: int
    begins_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    due_at: AwareDatetime | None
    trouble: Annotated[str, Field(description="Why the last certificate is kept; or empty.")]
    trouble_since: AwareDatetime | None


@router.get("/signer", auth=_ADMINISTER, response={200: SignerOut, **_REFUSED}, summary="What signs the Deployer's key")
def read_signer(request: HttpRequest) -> dict[str, Any]:
    found = signing.current()
    if found is None:
        raise NotFound("No command signs the Deployer's key.")
    return _represent(found)


@router.put("/signer", auth=_ADMINISTER, response={200: SignerOut, **_REFUSED}, summary="Have it signed by a command")
def set_signer(request: HttpRequest, payload: SetSigner) -> dict[str, Any]:
    return _represent(signing.set_signer(**payload.dict(), by=caller_of(request).user))


@router.post("/signer/renew", auth=_ADMINISTER, response={200: SignerOut, **_REFUSED}, summary="Have it signed now")
def renew_signer(request: HttpRequest) -> dict[str, Any]:
    return _represent(signing.renew(by=caller_of(request).user))


@router.delete("/signer", auth=_ADMINISTER, response={204: None, 404: ProblemOut}, summary="Have it signed no more")
def remove_signer(request: HttpRequest) -> Status[None]:
    signing.remove(by=caller_of(request).user)
    return Status(204, None)


def _represent(row: Signer) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in ("command", "principal", "minutes", "trouble")}
    times = ("begins_at", "ends_at", "due_at", "trouble_since")
    return plain | {name: represent_time(getattr(row, name)) for name in times}
