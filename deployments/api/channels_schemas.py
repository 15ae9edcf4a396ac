"""What goes in and out about channels."""

from typing import Annotated

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict

Names = Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=200)]
Text = Annotated[str, Field(max_length=2000)]


class ChangeChannel(Strict):
    settings: Annotated[dict[str, Text], Field(max_length=20, description="What the kind asks for, by name.")] = {}
    secret: Annotated[
        str | None, Field(max_length=2000, description="Its credential, kept sealed; null keeps the one there is.")
    ] = None
    applications: Annotated[Names, Field(description="Which are announced there; empty: all.")] = []
    environments: Annotated[Names, Field(description="Empty: all.")] = []
    kinds: Annotated[
        Names,
        Field(description="`deploy`, `rollback`, `waiting`, `approval`, `held`, `locked`, `unlocked`, `handed_over`; "
              "empty: all."),
    ] = []  # fmt: skip
    outcomes: Annotated[
        Names,
        Field(description="Of deploys and rollbacks: `begins`, `succeeded`, `partial`, `failed`, `cancelled`, "
              "`needs_attention`; empty: all."),
    ] = []  # fmt: skip
    templates: Annotated[
        dict[str, Text],
        Field(max_length=50, description="Texts of its own, by announcement, as `deploy.succeeded`; `{name}` fields."),
    ] = {}
    owner: Annotated[
        str, Field(max_length=150, description="User name of who is told when it stops; empty: who it was, or you.")
    ] = ""


class NewChannel(ChangeChannel):
    name: Name
    kind: Annotated[
        str, Field(max_length=20, description="`slack`, `slack-hook`, `irc`, `mail`, `web-hook`, `apprise`.")
    ]


class ChannelOut(Schema):
    name: str
    kind: str
    owner: str
    settings: Annotated[dict[str, str], Field(description="All but the credential, which is never given out.")]
    applications: list[str]
    environments: list[str]
    kinds: list[str]
    outcomes: list[str]
    templates: dict[str, str]
    stopped: Annotated[bool, Field(description="Nothing is sent until somebody has mended it.")]
    trouble: Annotated[str, Field(description="What went wrong last; or empty.")]
    sent_at: AwareDatetime | None


class DeliveryOut(Schema):
    id: int
    word: Annotated[str, Field(description="Which announcement it is.")]
    text: str
    state: Annotated[str, Field(description="`waiting`, `sent`, `refused` or `given_up`.")]
    tries: int
    error: Annotated[str, Field(description="Why the last try did not go through; or empty.")]
    deploy: int | None
    made_at: AwareDatetime
    next_try_at: AwareDatetime | None
