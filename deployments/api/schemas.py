"""What goes in and out of the API, as its OpenAPI description tells it."""

from typing import Annotated, Generic, TypeVar

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field

from deployments.api.paging import Id, Name

Item = TypeVar("Item")


class Page(Schema, Generic[Item]):
    items: list[Item]
    next: Annotated[str | None, Field(description="Pass it as `cursor` to read on; null at the end.")]


class ApplicationOut(Schema):
    name: str
    repository: str
    default_branch: str
    distribution: str
    environments: list[str]


class EnvironmentOut(Schema):
    name: str
    position: int
    applications: list[str]


class HostPlace(Schema):
    name: str
    roles: list[str]
    labels: dict[str, str]


class HostOut(Schema):
    name: str
    address: str
    port: int
    transport: str
    region: str
    zone: str
    aside: Annotated[str, Field(description="`drained` or `quarantined`: deploys leave it out; empty: they go there.")]
    aside_why: str
    observed: Annotated[bool, Field(description="Only looked at: nothing is written there, no deploy goes to it.")]
    note: Annotated[str, Field(description="What people should know of it; or empty.")]
    note_by: str
    note_at: str | None
    environments: list[HostPlace]


class LogOut(Schema):
    lines: int
    sha256: Annotated[str, Field(description="Of all texts, each followed by a newline; empty until the deploy ends.")]


class LogFound(Schema):
    hits: Annotated[list[int], Field(description="The `n` of each line, in order; at most 5,000.")]
    searched: Annotated[int, Field(description="Up to this line; ask again with `from` = this + 1 until `done`.")]
    done: Annotated[bool, Field(description="Everything that is stored was searched.")]


class DeploySummary(Schema):
    id: int
    number: int
    application: str
    environment: str
    kind: str
    trigger: str
    automatic: bool
    of: Annotated[int | None, Field(description="The deploy that this one retries or rolls back to.")]
    status: str
    reason: str
    held: Annotated[bool, Field(description="It stops when enough is prepared, until it is flipped.")]
    prepared_at: Annotated[str | None, Field(description="Since when a held deploy could go live.")]
    flip_at: Annotated[str | None, Field(description="When it goes live by itself.")]
    met_lock: Annotated[int | None, Field(description="The lock that holds it, until it is let go or dropped.")]
    ref: str
    revision: str
    by: Annotated[str, Field(description="User name; empty for the Deployer itself.")]
    by_name: str
    requested_at: str
    started_at: str | None
    finished_at: str | None
    url: str
    log: LogOut


class BlockerOut(Schema):
    kind: str
    text: str
    who: str
    until: str
    url: str
    lock: Annotated[int | None, Field(description="With the kinds `lock`, `warning` and `held`: which one.")]


class HostRunOut(Schema):
    host: str
    region: str
    zone: str
    status: str
    step: str
    revision: str
    error: str
    started_at: str | None
    switched_at: Annotated[str | None, Field(description="When `current` became this deploy's release.")]
    finished_at: str | None


class SaidOut(Schema):
    by_name: str
    approved: bool
    word: str
    at: str
    until: Annotated[str | None, Field(description="From then on the approval counts no more.")]


class ApprovalOut(Schema):
    subject: Annotated[str, Field(description="The digest of revision, configuration and steps: send it back.")]
    needed: int
    team: str
    given: Annotated[list[str], Field(description="Whose approvals of exactly this count now.")]
    said: list[SaidOut]


class DeployOut(DeploySummary):
    blockers: Annotated[list[BlockerOut], Field(description="While it waits: all that it waits for, and until when.")]
    approval: Annotated[ApprovalOut | None, Field(description="null where the target asks nobody.")]
    hosts: list[HostRunOut]


class TargetSummary(Schema):
    application: str
    environment: str
    endpoint: Annotated[str, Field(description="Its name, where it is an endpoint; else empty.")] = ""
    url: str
    live: Annotated[DeploySummary | None, Field(description="What put a release live last.")]
    latest: DeploySummary | None


class TargetHost(Schema):
    host: str
    region: str
    zone: str
    roles: list[str]
    port: int | None
    release: str
    revision: Annotated[str, Field(description="What this host runs now; empty: nothing of ours.")]
    switched_at: str | None
    seen: Annotated[str, Field(description="What `current` was when the host was last asked; empty: nothing.")]
    seen_at: str | None
    drift: Annotated[str, Field(description="`behind`, `outside`, `nothing` or `broken`; empty: it runs what is live.")]


class TargetOut(TargetSummary):
    blockers: Annotated[list[BlockerOut], Field(description="What keeps it from being deployed now.")]
    hosts: list[TargetHost]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid", strict=True)


Ref = Annotated[str, Field(max_length=200, description="Branch, tag or commit; by default the application's branch.")]
Wait = Annotated[bool, Field(description="Wait for its turn instead of being refused while something blocks it.")]
Goal = Annotated[Id | None, Field(description="The deploy whose release to go back to; by default the last good one.")]


Hold = Annotated[bool, Field(description="Stop when enough is prepared; `POST /deploys/{id}/flip` lets it go live.")]
FlipAt = Annotated[
    AwareDatetime | None, Field(strict=False, description="Hold, and go live at this time (ISO 8601 with its zone).")
]
Confirm = Annotated[bool, Field(description="Go on in spite of warnings: whoever asks has seen them.")]
Override = Annotated[
    str, Field(max_length=1000, description="An emergency: why it goes over locks. Needs the permission; all are told.")
]
Why = Annotated[str, Field(max_length=1000, description="Why it goes over somebody's lock; its holder is told.")]
Stop = Annotated[bool, Field(description="Cancel the deploy that runs, and roll back as soon as that has ended.")]


class StartDeploy(Strict):
    ref: Ref = ""
    wait: Wait = False
    hold: Hold = False
    flip_at: FlipAt = None
    confirm: Confirm = False
    override: Override = ""
    hosts: Annotated[list[Name] | None, Field(max_length=10_000, description="By default all of the target.")] = None


class Rehearse(Strict):
    ref: Ref = ""
    host: Annotated[Name | None, Field(description="Only this host's programs; by default those of all.")] = None


class ProgramOut(Schema):
    phase: str
    text: str


class RehearsedHost(Schema):
    host: str
    region: str
    zone: str
    roles: list[str]
    revision: Annotated[str, Field(description="What it runs now.")]
    programs: Annotated[list[ProgramOut], Field(description="In their order; secrets are masked.")]


class ChangeOut(Schema):
    revision: Annotated[str, Field(description="What these hosts run now; empty: nothing.")]
    hosts: int
    files: Annotated[list[list[str]], Field(description="Letter (A added, M changed, D gone) and path; the first 200.")]
    number: Annotated[int, Field(description="How many files differ; -1: nobody can tell.")]


class RehearsalOut(Schema):
    ref: str
    revision: str
    release: Annotated[str, Field(description="Its name tells the second, so a real one is called otherwise.")]
    exact: Annotated[bool, Field(description="False: what would be sent is not built yet; its digest stands as zeros.")]
    once_on: Annotated[str, Field(description="The host that takes the steps which run once; empty: there are none.")]
    changes: list[ChangeOut]
    hosts: list[RehearsedHost]
    blockers: list[BlockerOut]


class ParameterOut(Schema):
    name: str
    label: str
    choices: list[str]
    default: str


class TaskOut(Schema):
    name: str
    description: str
    roles: list[str]
    parameters: list[ParameterOut]


Hosts = Annotated[list[Name] | None, Field(max_length=10_000, description="By default all that have its roles.")]


class RunTask(Strict):
    hosts: Hosts = None
    values: Annotated[dict[str, str], Field(max_length=100, description="A text for each parameter, by name.")] = {}
    wait: Wait = False
    confirm: Confirm = False
    override: Override = ""


class Converge(Strict):
    hosts: Annotated[list[Name] | None, Field(max_length=10_000, description="By default all that differ.")] = None
    confirm: Confirm = False
    override: Override = ""


class Again(Strict):
    confirm: Confirm = False
    override: Override = ""


class GoLive(Strict):
    confirm: Confirm = False
    override: Override = ""


Subject = Annotated[str, Field(max_length=64, description="`approval.subject` of the deploy that was looked at.")]


class Approve(Strict):
    subject: Subject
    word: Annotated[str, Field(max_length=1000)] = ""


class Refuse(Strict):
    subject: Subject
    word: Annotated[str, Field(max_length=1000, description="Why; whoever asked for it reads it.")]


class ApprovalRule(Strict):
    number: Annotated[int, Field(ge=0, le=20, description="How many approve each deploy; 0: nobody is asked.")]
    team: Annotated[str, Field(max_length=63)] = ""
    hours: Annotated[int, Field(ge=1, le=2160, description="How long an approval counts.")] = 24


class RollBack(Strict):
    to: Goal = None
    stop: Stop = False
    reason: Why = ""
    confirm: Confirm = False
    override: Override = ""


class CommitOut(Schema):
    revision: str
    author: str
    at: str
    subject: str


class MigrationOut(Schema):
    number: Annotated[int, Field(description="The deploy that ran it.")]
    revision: str
    step: str
    down: Annotated[str, Field(description="The command that takes it back; never run by itself; empty: unknown.")]


class RollBackPreview(Schema):
    to: DeploySummary
    hosts: Annotated[list[str], Field(description="They hold the release and are only switched.")]
    lacking: Annotated[list[str], Field(description="They get the release again first.")]
    undone: Annotated[list[CommitOut] | None, Field(description="No longer live afterwards; null: nobody can tell.")]
    undone_count: int
    migrations: Annotated[list[MigrationOut], Field(description="What ran once since and stays, newest first.")]
    expected_seconds: Annotated[float | None, Field(description="By the latest rollbacks; null before the first.")]


class ProblemOut(Schema):
    """RFC 9457. `kind` is a word for machines; some kinds carry more, as `blockers` with `blocked`."""

    type: str
    title: str
    status: int
    detail: str
    kind: str
