"""What goes in and out about sign-in providers."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict
from environments.providers.claims import LONGEST_GROUP

LetsIn = Literal["everyone", "mapped", "known"]


class ChangeProvider(Strict):
    title: Annotated[str, Field(max_length=60, description="What the button on the sign-in page calls it.")]
    issuer: Annotated[str, Field(max_length=500, description="Its address, exactly as it calls itself.")]
    client_id: Annotated[str, Field(max_length=500)]
    secret: Annotated[
        str | None, Field(max_length=2000, description="The client's, kept sealed; null keeps the one there is.")
    ] = None
    enabled: bool = True
    scopes: Annotated[str, Field(max_length=500, description="By spaces.")] = "openid profile email"
    groups_claim: Annotated[str, Field(max_length=200, description="Empty: groups mean nothing.")] = "groups"
    lets_in: Annotated[
        LetsIn, Field(description="Everyone whom it knows; who is in a mapped group; who has an account here.")
    ] = "everyone"
    domains: Annotated[str, Field(max_length=1000, description="Of verified mail addresses that may come in.")] = ""
    links_by_mail: Annotated[
        bool, Field(description="Whether a verified mail address leads to the account that has it here.")
    ] = False
    second_factors: Annotated[str, Field(max_length=500, description="Values of acr that stand for one.")] = ""
    authorities: Annotated[str, Field(max_length=60_000, description="Who vouches for its certificate, as PEM.")] = ""


class NewProvider(ChangeProvider):
    name: Name


class ProviderOut(Schema):
    name: str
    title: str
    enabled: bool
    issuer: str
    client_id: str
    scopes: str
    groups_claim: str
    lets_in: str
    domains: str
    links_by_mail: bool
    second_factors: str
    authorities: str
    callback: Annotated[str, Field(description="The address to write down there: people are sent back to it.")]
    asked_at: AwareDatetime | None
    trouble: Annotated[str, Field(description="What went wrong when it was last asked; or empty.")]


class FindingOut(Schema):
    tone: Annotated[Literal["ok", "warn", "bad"], Field(description="`warn`: people may come in all the same.")]
    words: str


class TestedOut(Schema):
    findings: list[FindingOut]


class MapGroup(Strict):
    group: Annotated[str, Field(max_length=LONGEST_GROUP)]
    team: Name | None = None
    role: Annotated[str, Field(max_length=40, description="Instead of a team.")] = ""


class MappingOut(Schema):
    id: int
    group: str
    team: str | None
    role: str


class Passwords(Strict):
    whom: Annotated[Literal["everyone", "administrators"], Field(description="Whom passwords let in.")]
