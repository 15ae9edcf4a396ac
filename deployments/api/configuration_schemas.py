"""What goes in and out of the operations on configuration."""

from typing import Annotated

from ninja import Schema
from pydantic import Field

from deployments.api.schemas import Strict


class LiesOut(Schema):
    """Where a secret lies that is not kept here."""

    store: Annotated[str, Field(description="The name of a secret store.")]
    path: Annotated[str, Field(description="What is asked for there.")]
    key: Annotated[str, Field(description="Of what lies at the path; empty: that is the value itself.")]


class CoveredOut(Schema):
    layer: str
    of: str
    secret: bool
    value: Annotated[str | None, Field(description="Null for a secret.")]
    lies_in: LiesOut | None


class ConfigurationValueOut(Schema):
    name: str
    value: Annotated[str | None, Field(description="Null for a secret; what is secret is never given out.")]
    secret: bool
    lies_in: Annotated[LiesOut | None, Field(description="Where the secret lies, if not here.")]
    layer: str
    of: Annotated[str, Field(description="The application, environment, target, region, zone or host that says so.")]
    change: Annotated[int, Field(description="The change that made it so.")]
    by: str
    at: str
    covered: Annotated[list[CoveredOut], Field(description="What layers below say, the nearest first.")]


class DeliveryOut(Schema):
    env_file: Annotated[str, Field(description="Path in the release of lines NAME=value; empty: none.")]
    json_file: Annotated[str, Field(description="Path in the release of a JSON object; empty: none.")]
    files: Annotated[list[str], Field(description="Files of the repository in which ${NAME} stands for a value.")]


class ConfigurationOut(Schema):
    application: str
    environment: str
    host: Annotated[str, Field(description="Empty: what all hosts have in common.")]
    values: list[ConfigurationValueOut]
    delivery: DeliveryOut
    pending: Annotated[bool, Field(description="Hosts would get another configuration than the one that is live.")]


class Lies(Strict):
    store: Annotated[str, Field(max_length=63)]
    path: Annotated[str, Field(max_length=500)] = ""
    key: Annotated[str, Field(max_length=500)] = ""


class SetValue(Strict):
    value: Annotated[str, Field(max_length=32 * 1024)] = ""
    lies_in: Annotated[
        Lies | None, Field(description="Instead of a value: where deploys ask for it. Takes the right to administer.")
    ] = None
    secret: Annotated[bool | None, Field(description="Null: as it was; a new value is no secret.")] = None
    of: Annotated[str, Field(max_length=200, description="For region, zone (`eu-west/a`) and host: which.")] = ""


class SetDelivery(Strict):
    env_file: Annotated[str, Field(max_length=500)] = ""
    json_file: Annotated[str, Field(max_length=500)] = ""
    files: Annotated[list[str], Field(max_length=50)] = []


class ConfigurationChangeOut(Schema):
    id: int
    name: str
    layer: str
    of: str
    kind: Annotated[str, Field(description="`text`, `secret`, `outside` or `removed`: what the name is since.")]
    value: Annotated[str | None, Field(description="Null for a secret and for what was removed.")]
    latest: Annotated[bool, Field(description="Only the latest change of a name in one place can be undone.")]
    undoes: int | None
    by: str
    at: str


class SideOut(Schema):
    value: Annotated[str | None, Field(description="Null for a secret.")]
    secret: bool
    lies_in: LiesOut | None
    layer: str
    of: str


class DifferenceOut(Schema):
    name: str
    word: Annotated[str, Field(description="`added`, `removed` or `changed`.")]
    before: SideOut | None
    after: SideOut | None


class DifferencesOut(Schema):
    items: list[DifferenceOut]
