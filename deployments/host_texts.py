"""The texts of a host's programs, phase by phase: from a deploy's recipe and what is known of the host."""

from typing import Protocol

from deployments import host_program, recipes
from deployments.models import HostRun
from environments import repositories
from environments.models import Phase


class Sent(Protocol):
    """What is streamed, as hosts are told of it."""

    @property
    def source(self) -> host_program.ArchiveSource: ...


class Part(Protocol):
    """One host's part in a deploy. `held`: the release lies there; `archive`: what is streamed to it otherwise."""

    @property
    def run(self) -> HostRun: ...

    @property
    def port(self) -> int | None: ...

    @property
    def held(self) -> bool: ...

    @property
    def archive(self) -> Sent | None: ...


def prepare(part: Part) -> str:
    run, deploy = part.run, part.run.deploy
    return host_program.prepare_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        source=host_program.HeldSource(pardon=True) if part.held else _source(part),
        linked_dirs=tuple(deploy.recipe["linked_dirs"]),
        linked_files=tuple(deploy.recipe["linked_files"]),
        steps=() if part.held else recipes.steps(deploy, run, Phase.PREPARE),
        facts=recipes.facts(deploy, run, part.port),
        later=recipes.later_steps(deploy, run),
    )


def once(part: Part) -> str:
    run, deploy = part.run, part.run.deploy
    return host_program.once_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        steps=recipes.steps(deploy, run, Phase.ONCE),
        facts=recipes.facts(deploy, run, part.port),
    )


def task(part: Part) -> str:
    run, deploy = part.run, part.run.deploy
    return host_program.task_program(
        place=recipes.place(deploy),
        steps=recipes.steps(deploy, run, recipes.TASK),
        facts=recipes.facts(deploy, run, part.port),
    )


def finish(part: Part) -> str:
    run, deploy = part.run, part.run.deploy
    return host_program.finish_program(
        place=recipes.place(deploy),
        release=recipes.release(deploy),
        restart=recipes.steps(deploy, run, Phase.RESTART),
        after=recipes.steps(deploy, run, Phase.AFTER),
        keep=deploy.recipe["keep"],
        protect=(run.previous,) if run.previous else (),
        facts=recipes.facts(deploy, run, part.port),
    )


def _source(part: Part) -> host_program.Source:
    if part.archive is not None:
        return part.archive.source
    deploy = part.run.deploy
    application = deploy.target.application
    needed = repositories.credentials(application)
    ref = deploy.ref
    return host_program.GitSource(
        total=deploy.release.size if deploy.release else 0,
        url=application.repository,
        revision=deploy.revision,
        ref="" if repositories.is_hex(ref) else ref,
        key=needed.key,
        known_hosts=needed.known_hosts,
        username=needed.user,
        token=needed.token,
    )
