"""What goes in and out about hooks and policies."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict

Setting = Annotated[str, Field(max_length=2000)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=50)]
Asked = Literal["all", "named", "none"]


class NewHookSource(Strict):
    kind: Annotated[str, Field(max_length=20, description="`github`, `gitlab`, `gitea`, `jenkins` or `generic`.")]
    application: Name
    settings: Annotated[dict[str, Setting], Field(max_length=20, description="What the kind asks for, by name.")] = {}


class HookSourceOut(Schema):
    id: int
    kind: str
    application: str
    url: Annotated[str, Field(description="Where it sends to.")]
    signs_with: Annotated[str, Field(description="The header in which its signature stands.")]
    account: Annotated[str, Field(description="The user name with whose permissions it deploys.")]
    settings: dict[str, str]
    made_by: str
    made_at: AwareDatetime
    heard_at: Annotated[AwareDatetime | None, Field(description="Its last signed delivery.")]


class MadeHookSource(HookSourceOut):
    secret: Annotated[str, Field(description="What it signs with. It cannot be read again.")]


class HookDecisionOut(Schema):
    target: Annotated[str, Field(description="`application/environment`")]
    decision: str
    told: str
    deploy: Annotated[int | None, Field(description="The deploy's id.")]


class HookDeliveryOut(Schema):
    id: int
    source: int
    kind: str
    application: str
    event: str
    name: Annotated[str, Field(description="The sender's own id of it.")]
    received_at: AwareDatetime
    address: str
    size: int
    times: Annotated[int, Field(description="How often the like of it came within a minute.")]
    of: Annotated[int | None, Field(description="The delivery that it repeats.")]
    replayed_by: str
    decision: Annotated[str, Field(description="Empty while it is worked on.")]
    told: str
    ref: str
    revision: str
    targets: list[HookDecisionOut]


class HookRawOut(HookDeliveryOut):
    headers: dict[str, str]
    body: Annotated[str, Field(description="With its secrets masked; empty of what was not kept.")]


class PolicyRules(Strict):
    automatic: Annotated[bool, Field(description="Whether any commit deploys itself.")] = False
    refs: Annotated[Words, Field(description="Globs of branches and tags; empty: all.")] = []
    checks: Annotated[Asked, Field(description="All that have reported, those of `names`, or none.")] = "all"
    names: Words = []
    contains_live: Annotated[bool, Field(description="It must contain what is live.")] = False
    contains_main: Annotated[bool, Field(description="It must contain the newest of the main branch.")] = False
    skip_words: Annotated[Words, Field(description="Words in a commit's message that keep it.")] = []
    paths: Annotated[Words, Field(description="Globs; it must change something there. Empty: anywhere.")] = []


class VerdictOut(Schema):
    rule: str
    ok: bool
    told: str


class ExplainedOut(Schema):
    ref: str
    revision: str
    would_deploy: Annotated[bool, Field(description="Every rule says yes.")]
    refused_by: Annotated[str | None, Field(description="The first rule that says no.")]
    rules: list[VerdictOut]
    waits_for: Annotated[list[str], Field(description="What it would be held by, or wait for, once it may.")]
