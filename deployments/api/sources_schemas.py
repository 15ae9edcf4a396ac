"""What goes in and out about sources of hosts."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict

Text = Annotated[str, Field(max_length=60_000)]


class SourceSettings(Strict):
    """What is left out is as the form proposes it."""

    settings: Annotated[dict[str, Text], Field(max_length=20, description="What the kind asks for, by name.")]
    secret: Annotated[str | None, Field(max_length=2000, description="Sealed; null keeps the one there is.")] = None
    user: Annotated[str, Field(max_length=32)] = "deploy"
    via: Annotated[str, Field(max_length=300, description="The bastion of all, `user@host:port`.")] = ""
    zone: Annotated[str, Field(max_length=130, description="`region/zone`.")] = ""
    share: Annotated[int, Field(ge=0, le=100, description="Percent that may leave at once.")] = 30
    every_minutes: Annotated[int, Field(ge=0, le=10_080, description="0: only when somebody asks.")] = 15
    before_deploys: bool = False
    trusted: Annotated[bool, Field(description="Host keys that it names are trusted.")] = False


class NewSource(SourceSettings):
    name: Name
    kind: Annotated[str, Field(max_length=20)]
    environment: Name


class ChangeSource(SourceSettings):
    removal: Annotated[str, Field(max_length=40, description="The `removal` of a preview: let those leave.")] = ""


class Accept(Strict):
    removal: Annotated[str, Field(min_length=1, max_length=40, description="As the last answer said it.")]


class SourceOut(Schema):
    name: str
    kind: str
    environment: str
    hosts: int
    every_minutes: int
    before_deploys: bool
    share: int
    trusted: bool
    state: Literal["followed", "kept", "new"]
    trouble: Annotated[str, Field(description="Why the last good list is kept, or what is wrong in it; or empty.")]
    trouble_since: AwareDatetime | None
    looked_at: AwareDatetime | None
    good_at: AwareDatetime | None
    leaving: Annotated[list[str], Field(description="Hosts that are kept although it names them no more.")]


class SourceChange(Schema):
    host: str
    words: str


class SourceProblem(Schema):
    where: str
    text: str


class OutcomeOut(Schema):
    """What following it does, or did."""

    added: list[str]
    changed: list[SourceChange]
    same: int
    leaving: list[str]
    removal: Annotated[str, Field(description="A word for exactly those who leave; empty for none.")]
    wrong: list[SourceProblem]
    left_out: list[SourceProblem]
    kept: Annotated[str, Field(description="Why nobody left; empty when it was followed.")]
