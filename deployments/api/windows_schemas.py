"""What goes in and out of the API about windows and freezes."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import AwareDatetime, Field

from deployments.api.schemas import Strict

Clock = Annotated[str, Field(max_length=5, description="As 09:00, of the zone's own clock.")]
Day = Annotated[int, Field(ge=1, le=7, description="1 is Monday.")]


class WindowIn(Strict):
    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    opens: Annotated[Clock, Field(alias="from")]
    closes: Annotated[Clock, Field(alias="to", description="Not later than `from`: of the next day.")]
    zone: Annotated[str, Field(max_length=63, description="By its IANA name, as Europe/London.")]


class WindowOut(Schema):
    days: list[int]
    opens: Annotated[str, Field(alias="from")]
    closes: Annotated[str, Field(alias="to")]
    zone: str


class SpanOut(Schema):
    start: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]


class WindowsOut(Schema):
    windows: list[WindowOut]
    outside: Annotated[str, Field(description="Automatic deploys at a closed time: `wait` or `drop`.")]
    open: bool
    next: Annotated[str | None, Field(description="When the next window opens; now while one is open; null: none.")]
    ahead: Annotated[list[SpanOut], Field(description="When it is open in the next two weeks; freezes apart.")]


class SetWindows(Strict):
    windows: Annotated[list[WindowIn], Field(max_length=30)]
    outside: Annotated[Literal["wait", "drop"] | None, Field(description="By default as it is.")] = None


class FreezeOut(Schema):
    id: int
    scope: Annotated[str, Field(description="`*`, `staging` or `shop/staging`.")]
    starts: str
    ends: str
    reason: str
    by_name: str


class MakeFreeze(Strict):
    scope: Annotated[str, Field(max_length=200)]
    reason: Annotated[str, Field(max_length=1000)]
    starts: Annotated[AwareDatetime | None, Field(strict=False, description="By default now.")] = None
    ends: Annotated[AwareDatetime, Field(strict=False)]
