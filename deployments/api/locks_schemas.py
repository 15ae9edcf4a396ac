"""What goes in and out of the API about locks."""

from datetime import date
from typing import Annotated, Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.schemas import ProblemOut, Strict

Text = Annotated[str, Field(max_length=1000)]
Until = Annotated[
    AwareDatetime | None, Field(strict=False, description="When it ends (ISO 8601 with its zone); null: never.")
]
MOST_SECONDS = 10 * 366 * 86_400


class InLine(Schema):
    by: str
    by_name: str
    wanted_seconds: Annotated[int | None, Field(description="How long they want it; null: without an end.")]
    reason: str
    asked_at: str


class QuestionOut(Schema):
    id: int
    by: str
    by_name: str
    text: str
    asked_at: str


class HeldDeploy(Schema):
    id: int
    number: int
    application: str
    environment: str
    ref: str
    revision: str
    by_name: str
    url: str


class LockOut(Schema):
    id: int
    scope: Annotated[str, Field(description="`*`, `staging` or `shop/staging`.")]
    kind: Annotated[str, Field(description="`lock` or `warning`.")]
    holder: Annotated[str, Field(description="User name; empty where the person is gone, or it is the Deployer's.")]
    team: str
    holder_name: str
    reason: str
    since: str
    until: Annotated[str | None, Field(description="From then on it bars nobody; null: until it is released.")]
    offered: Annotated[bool, Field(description="Handed to who waited, and not confirmed; `until` is the limit.")]
    machines_only: Annotated[bool, Field(description="Made after a failed automatic deploy; people are not barred.")]
    orphaned: Annotated[bool, Field(description="Its holder is gone; an administrator may release it.")]
    text: str


class LockedProblem(ProblemOut):
    lock: LockOut


class ReservationOut(Schema):
    id: int
    scope: Annotated[str, Field(description="`*`, `staging` or `shop/staging`.")]
    holder: Annotated[str, Field(description="User name; empty where the person is gone.")]
    team: str
    holder_name: str
    reason: str
    starts: str
    ends: str
    zone: Annotated[str, Field(description="A weekly one keeps its time of the day there.")]
    series: Annotated[str | None, Field(description="Shared by the times of a weekly one.")]
    begun: Annotated[bool, Field(description="Its time has come: its holder is first in line, or has the lock.")]
    text: str


class LockDetail(LockOut):
    line: Annotated[list[InLine], Field(description="Who waits for it, in their order.")]
    questions: list[QuestionOut]
    held: Annotated[list[HeldDeploy], Field(description="Automatic deploys that met it.")]
    reaches_into: Annotated[
        ReservationOut | None,
        Field(description="The first reservation of others that begins before it ends: they wait for its end."),
    ]


class ReservedProblem(ProblemOut):
    reservation: Annotated[ReservationOut, Field(description="What is booked for that time already.")]


Moment = Annotated[AwareDatetime, Field(strict=False, description="ISO 8601 with its zone.")]


class Book(Strict):
    scope: Annotated[str, Field(max_length=200)]
    reason: Text
    starts: Moment
    ends: Moment
    holder: Annotated[
        str, Field(max_length=150, description="Somebody else's user name; takes the permission to take over locks.")
    ] = ""
    team: Annotated[str, Field(max_length=63, description="Reserve it for a team of theirs.")] = ""
    weekly_until: Annotated[
        date | None, Field(strict=False, description="Each week at this time; the last day on which it may begin.")
    ] = None
    zone: Annotated[str, Field(max_length=63, description="Whose clock a weekly one keeps, as `Europe/Berlin`.")] = ""


class MoveReservation(Strict):
    starts: Moment
    ends: Moment


class CancelReservation(Strict):
    later_too: Annotated[bool, Field(description="And those of its series that come after it.")] = False


class TakeLock(Strict):
    scope: Annotated[str, Field(max_length=200)]
    reason: Text
    until: Until
    kind: Literal["lock", "warning"] = "lock"
    team: Annotated[str, Field(max_length=63, description="Hold it for a team of yours.")] = ""


class Unlock(Strict):
    held: Annotated[
        Literal["deploy", "drop", "leave"], Field(description="What becomes of automatic deploys that met it.")
    ] = "leave"


class ExtendLock(Strict):
    until: Until


class AskHolder(Strict):
    text: Text


class AnswerQuestion(Strict):
    question: Annotated[int, Field(ge=1, le=2**63 - 1)]
    answer: Literal["release", "extend", "no"]
    until: Until = None
    held: Literal["deploy", "drop", "leave"] = "leave"


class TakeOver(Strict):
    reason: Text
    until: Annotated[AwareDatetime | None, Field(strict=False, description="By default as long as it was theirs.")] = (
        None
    )


class JoinLine(Strict):
    reason: Annotated[Text, Field(description="What you want it for; not needed with `tell_only`.")] = ""
    wanted_seconds: Annotated[int | None, Field(ge=60, le=MOST_SECONDS, description="null: without an end.")] = 3600
    tell_only: Annotated[bool, Field(description="Only hear that it is free, without a place in line.")] = False


class LeaveLine(Strict):
    tell_only: bool = False
