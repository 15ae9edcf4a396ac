"""What reading a stage of Capistrano comes to."""

from dataclasses import dataclass, field

from deployments.capistrano.ruby_values import Block
from deployments.capistrano.servers import Server
from deployments.capistrano.settings import Settings


@dataclass(frozen=True)
class Finding:
    """Something that was not translated: `file:line`, and what to do."""

    at: str
    text: str


@dataclass
class Task:
    at: str
    description: str
    block: Block | None
    hooks: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Configuration:
    """One stage. Everything that could not be followed is a finding."""

    stage: str
    settings: Settings
    servers: dict[tuple[str, int], Server] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    hooks: list[tuple[str, str, str, str]] = field(default_factory=list)  # when, other, task, at
