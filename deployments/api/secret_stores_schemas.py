"""What goes in and out about secret stores."""

from typing import Annotated

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict

Text = Annotated[str, Field(max_length=60_000)]


class ChangeStore(Strict):
    settings: Annotated[dict[str, Text], Field(max_length=20, description="What the kind asks for, by name.")]
    secret: Annotated[
        str | None, Field(max_length=4000, description="Its credential, kept sealed; null keeps the one there is.")
    ] = None


class NewStore(ChangeStore):
    name: Name
    kind: Annotated[str, Field(max_length=20, description="`vault` or `command`.")]


class TryStore(Strict):
    path: Annotated[str, Field(max_length=500, description="What to ask for; empty: only whether it answers.")] = ""
    key: Annotated[str, Field(max_length=500)] = ""


class StoreOut(Schema):
    name: str
    kind: str
    settings: Annotated[dict[str, str], Field(description="All but the credential, which is never given out.")]
    asked_at: AwareDatetime | None
    trouble: Annotated[str, Field(description="What went wrong when it was last asked; or empty.")]


class TriedOut(Schema):
    words: str
    keys: Annotated[list[str], Field(description="What the secret holds, by name; never a value.")]
    version: Annotated[int, Field(description="0: it counts none.")]
