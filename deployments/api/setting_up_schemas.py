"""What goes in and out when applications, hosts and targets are added."""

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from deployments.api.paging import Name
from deployments.api.schemas import Strict

Text = Annotated[str, Field(max_length=10_000)]
Line = Annotated[str, Field(max_length=500)]
Paths = Annotated[list[Line], Field(max_length=200)]


class AddApplication(Strict):
    repository: Line
    name: Annotated[str, Field(max_length=63, description="By default taken from the address.")] = ""
    https_user: Annotated[str, Field(max_length=100)] = ""
    https_token: Annotated[str, Field(max_length=1000, description="Kept sealed, never shown.")] = ""


class AddedApplication(Schema):
    name: str
    repository: str
    default_branch: str
    deploy_key: Annotated[str, Field(description="The line for the repository's deploy keys; empty over https.")]


class AddHosts(Strict):
    lines: Annotated[list[Line], Field(min_length=1, max_length=2000, description="`user@host:port via user@bastion`.")]
    observe: Annotated[
        bool, Field(description="Only look at them: nothing is written there, no deploy goes to them.")
    ] = False
    root: Annotated[str, Field(max_length=500, description="Where to look then, beside the targets' folders.")] = ""


class AddedHost(Schema):
    name: str
    address: str
    port: int
    user: str
    observed: bool
    new: Annotated[bool, Field(description="False for one that was there, by address and port.")]


class AddedHosts(Schema):
    environment: str
    hosts: list[AddedHost]


class AddStep(Strict):
    """What is left out is as the preset usually has it."""

    name: Name
    preset: Annotated[str, Field(max_length=40)] = "command"
    parameters: Annotated[dict[str, Any], Field(max_length=50)] = {}
    command: Text = ""
    phase: Literal["", "prepare", "once", "restart", "after"] = ""
    sudo: bool | None = None
    time_limit: Annotated[int | None, Field(ge=1, le=86_400)] = None
    silence_limit: Annotated[int | None, Field(ge=1, le=86_400)] = None
    repeatable: bool | None = None
    roles: Annotated[list[Name], Field(max_length=50)] = []


class AddTarget(Strict):
    application: Name
    environment: Name
    root: Annotated[str, Field(max_length=500, description="The folder on hosts, as `~/shop` or `/srv/shop`.")]
    user: Annotated[str, Field(max_length=32, description="Who signs in there.")]
    keep: Annotated[int, Field(ge=2, le=100)] = 5
    linked_dirs: Paths = []
    linked_files: Paths = []
    path_prepend: Paths = []
    shell: Annotated[str, Field(max_length=200)] = "sh -c"
    role: Annotated[str, Field(max_length=63)] = ""
    labels: Annotated[
        list[Annotated[str, Field(max_length=265)]],
        Field(max_length=20, description="`tier=front`: hosts have all of them."),
    ] = []
    umask: Annotated[str, Field(max_length=4)] = "022"
    needed: Annotated[int, Field(ge=0, le=100, description="Percent of hosts prepared before any switches.")] = 50
    needed_per_region: Annotated[int, Field(ge=0, le=100)] = 0
    on_failure: Literal["quarantine", "retry", "abort"] = "quarantine"
    catch_up: Annotated[bool, Field(description="New hosts get what is live by themselves.")] = False
    drift_minutes: Annotated[int, Field(ge=0, le=32_767, description="0: hosts are not asked what they run.")] = 15
    command: Annotated[Text, Field(description="Runs on `runner` instead of laying releases out.")] = ""
    command_time_limit: Annotated[int, Field(ge=1, le=86_400, description="Seconds.")] = 3600
    runner: Annotated[str, Field(max_length=63, description="A host's name.")] = ""
    steps: Annotated[list[AddStep], Field(max_length=100)] = []
