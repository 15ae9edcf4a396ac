"""What goes in and out of the API about people, teams and their roles."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field, model_validator

from deployments.api.paging import Name, Username
from deployments.api.schemas import Strict

AnyRole = Literal["guest", "viewer", "deployer", "maintainer", "administrator"]
GivenRole = Literal["viewer", "deployer", "maintainer", "administrator"]
EveryonesRole = Literal["viewer", "deployer", "maintainer"]
Active = Annotated[bool, Field(description="Whether they may come in.")]


class PersonOut(Schema):
    username: str
    full_name: str
    role: Annotated[str, Field(description="Everywhere; grants add to it.")]
    active: Active
    email: Annotated[str, Field(description="Where links are mailed to.")]
    teams: list[str]


class Link(Schema):
    link: Annotated[str, Field(description="Its person chooses a password there, once; it cannot be read again.")]


class InvitedOut(PersonOut, Link):
    pass


class Invite(Strict):
    username: Annotated[Username, Field(description="Lower-case letters, digits, dot, hyphen and underscore.")]
    full_name: Annotated[str, Field(max_length=300)] = ""
    role: AnyRole = "viewer"
    email: Annotated[str, Field(max_length=254, description="Where links may be mailed to.")] = ""


class ChangePerson(Strict):
    role: Annotated[AnyRole | None, Field(description="By default as it is.")] = None
    active: Annotated[bool | None, Field(description="False lets nobody in, with no token either.")] = None
    email: Annotated[str | None, Field(max_length=254, description="By default as it is; empty: none.")] = None


class TeamOut(Schema):
    name: str
    members: list[str]


class NameOfTeam(Strict):
    name: Name


class GrantOut(Schema):
    id: int
    person: str | None
    team: str | None
    role: str
    application: Annotated[str | None, Field(description="null: all of them.")]
    environment: Annotated[str | None, Field(description="null: all of them.")]
    given_by: str
    given_at: str


class GiveGrant(Strict):
    person: Annotated[Username | None, Field(description="Either a person or a team.")] = None
    team: Name | None = None
    role: GivenRole
    # without a default: a field that is lost must not give a role everywhere
    application: Annotated[Name | None, Field(description="null: all of them.")]
    environment: Annotated[Name | None, Field(description="null: all of them.")]

    @model_validator(mode="after")
    def _one_holder(self) -> "GiveGrant":
        if (self.person is None) == (self.team is None):
            raise ValueError("Name a person or a team, not both")
        return self


class Everyone(Strict):
    unprotected: Annotated[EveryonesRole, Field(description="Of everyone who is signed in, guests apart.")]
    protected: Annotated[EveryonesRole, Field(description="The same, in environments that are protected.")]


class Protection(Strict):
    protected: Annotated[bool, Field(description="Whether there counts only what somebody was given.")]
