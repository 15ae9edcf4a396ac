"""The texts of a host's programs, phase by phase: from a deploy's recipe and what is known of the host."""

from collections.abc import Callable
from typing import Protocol

from deployments import host_values, program_texts, recipes
from deployments.models import Deploy, HostRun
from deployments.program_texts import Outline
from deployments.release_configuration import Configured
from environments import repositories
from environments.models import Phase


class Sent(Protocol):
    """What is streamed, as hosts are told of it."""

    @property
    def source(self) -> host_values.ArchiveSource: ...


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


class Texts:
    """The programs of a deploy's hosts. Hosts that are alike share an outline, which is made once."""

    def __init__(self, deploy: Deploy, configured: Configured | None = None) -> None:
        """`configured`: what the release brings to hosts that do not hold it yet."""
        self._deploy, self._configured = deploy, configured
        self._facts = recipes.facts(deploy)
        self._outlines: dict[tuple[object, ...], Outline] = {}

    def prepare(self, part: Part) -> str:
        """Only this program may hold secrets; it travels on the standard input of the host's loader."""
        alike = ("prepare", part.held, part.archive and part.archive.source)
        configured = None if part.held else self._configured
        return self._text(part, alike, self._prepare, configured.of(part.run) if configured else None)

    def once(self, part: Part) -> str:
        return self._text(part, ("once",), self._once)

    def task(self, part: Part) -> str:
        return self._text(part, ("task",), self._task)

    def finish(self, part: Part) -> str:
        return self._text(part, ("finish", part.run.previous), self._finish)

    def _text(
        self,
        part: Part,
        alike: tuple[object, ...],
        make: Callable[[Part], Outline],
        configuration: host_values.HostConfiguration | None = None,
    ) -> str:
        """`alike`: besides roles, all of a host that its outline is made of."""
        key = (*alike, *part.run.roles)
        outline = self._outlines.get(key)
        if outline is None:
            outline = self._outlines[key] = make(part)
        return outline.text(self._facts | recipes.host_facts(part.run, part.port), configuration)

    def _prepare(self, part: Part) -> Outline:
        run, deploy = part.run, self._deploy
        return program_texts.prepare_outline(
            place=recipes.place(deploy),
            release=recipes.release(deploy),
            source=host_values.HeldSource(pardon=True) if part.held else _source(part),
            linked_dirs=tuple(deploy.recipe["linked_dirs"]),
            linked_files=tuple(deploy.recipe["linked_files"]),
            steps=() if part.held else recipes.steps(deploy, run, Phase.PREPARE),
            later=recipes.later_steps(deploy, run),
            configured=self._configured.delivery.paths if self._configured and not part.held else None,
        )

    def _once(self, part: Part) -> Outline:
        deploy = self._deploy
        steps = recipes.steps(deploy, part.run, Phase.ONCE)
        return program_texts.once_outline(recipes.place(deploy), recipes.release(deploy), steps)

    def _task(self, part: Part) -> Outline:
        if recipes.takes_away(self._deploy):
            steps = recipes.steps(self._deploy, part.run, Phase.STOP)
            return program_texts.away_outline(recipes.place(self._deploy), steps)
        steps = recipes.steps(self._deploy, part.run, recipes.TASK)
        return program_texts.task_outline(recipes.place(self._deploy), steps)

    def _finish(self, part: Part) -> Outline:
        run, deploy = part.run, self._deploy
        return program_texts.finish_outline(
            place=recipes.place(deploy),
            release=recipes.release(deploy),
            restart=recipes.steps(deploy, run, Phase.RESTART),
            after=recipes.steps(deploy, run, Phase.AFTER),
            keep=deploy.recipe["keep"],
            protect=(run.previous,) if run.previous else (),
        )


def _source(part: Part) -> host_values.Source:
    if part.archive is not None:
        return part.archive.source
    deploy = part.run.deploy
    application = deploy.target.application
    needed = repositories.credentials(application)
    ref = deploy.ref
    return host_values.GitSource(
        total=deploy.release.size if deploy.release else 0,
        url=application.repository,
        revision=deploy.revision,
        ref="" if repositories.is_hex(ref) else ref,
        key=needed.key,
        known_hosts=needed.known_hosts,
        username=needed.user,
        token=needed.token,
    )
