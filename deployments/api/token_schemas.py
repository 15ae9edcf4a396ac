"""What goes in and out of the API about tokens."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from deployments.api.paging import Name, Username
from deployments.api.schemas import Strict
from environments.tokens import LONGEST_NAME, MOST_DAYS

Scope = Literal["read", "deploy", "lock", "admin"]


class TokenOut(Schema):
    id: int
    name: str
    user: str
    scopes: list[str]
    application: Annotated[str | None, Field(description="The only application that it opens; null: all.")]
    machine: bool
    created_at: str
    used_at: str | None
    expires_at: str | None


class MadeToken(TokenOut):
    token: Annotated[str, Field(description="It cannot be read again.")]


class MakeToken(Strict):
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, description="What it is for.")]
    scopes: Annotated[list[Scope], Field(min_length=1, description="Never more than its person may.")]
    application: Annotated[Name | None, Field(description="Only in this application.")] = None
    days: Annotated[int | None, Field(ge=1, le=MOST_DAYS, description="By default until it is revoked.")] = None
    machine: Annotated[bool, Field(description="Its deploys count as automatic.")] = False
    user: Annotated[Username | None, Field(description="Whose; by default one's own. Others' for administrators.")] = (
        None
    )
