"""A dry run: what a deploy would do on each host, and the programs that would do it. Nothing is run, nothing stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployments import (
    archives,
    blockers,
    host_program,
    host_values,
    recipe_file,
    recipes,
    release_configuration,
    releases,
    secrecy,
)
from deployments.host_texts import Texts
from deployments.models import Deploy, HostRun, Kind, Placement, Trigger
from deployments.redaction import masked
from environments import access, repositories
from environments.models import Application, Phase, Target, User

NOT_MADE = host_values.ArchiveSource(gz=host_values.Packed(sha256="0" * 64, size=1), total=0)
_NONCE = "0" * 16


@dataclass(frozen=True, slots=True)
class Change:
    """What would change on hosts that run `old` now ("" for none): files by letter (A, M, D) and path, and how many."""

    old: str
    hosts: int
    files: list[tuple[str, str]]
    number: int


@dataclass(frozen=True, slots=True)
class Programs:
    """One host's programs by phase, secrets masked, in the order in which they would run."""

    host: str
    region: str
    zone: str
    roles: list[str]
    now: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`exact` is False when what is sent is not made yet: its sha256 stands as zeros, its list of files is empty."""

    target: Target
    ref: str
    revision: str
    release: str
    exact: bool
    once_on: str
    changes: tuple[Change, ...]
    hosts: tuple[Programs, ...]
    blockers: tuple[blockers.Blocker, ...]


@dataclass
class _Sent:
    source: host_values.ArchiveSource


@dataclass
class _Part:
    run: HostRun
    port: int | None
    archive: _Sent | None
    held: bool = False


def rehearse(target: Target, ref: str, *, by: User | None) -> Rehearsal:
    """What deploying `ref` would do now. Raises NotAllowed, RepositoryError, RecipeFileError, ArchiveFailed."""
    access.require(by, access.DEPLOY, target)
    revision = repositories.resolve(target.application, ref)
    deploy = _unsaved(target, ref, revision, by)
    members = list(blockers.members(target))
    runs = [HostRun(**row._asdict()) for row in recipes.host_runs(deploy, members, set())]
    for run in runs:
        run.deploy = deploy
    sent, exact = _archives(target.application, runs, revision)
    if deploy.release is not None and not sent:
        deploy.release.size = repositories.size_of(target.application, revision)
    once = next((run.host_name for run in runs if _takes_once(deploy, run)), "")
    return Rehearsal(
        target=target,
        ref=ref,
        revision=revision,
        release=recipes.release(deploy).name,
        exact=exact,
        once_on=once,
        changes=_changes(target.application, runs, revision),
        hosts=tuple(_hosts(deploy, runs, sent, once)),
        blockers=(*blockers.blockers(target, by=by), *blockers.of_revision(target, revision, patient=True)),
    )


def _unsaved(target: Target, ref: str, revision: str, by: User | None) -> Deploy:
    last = Target.objects.values_list("last_number", flat=True).get(pk=target.pk)
    return Deploy(
        key=_NONCE,
        target=target,
        number=last + 1,
        kind=Kind.DEPLOY,
        trigger=Trigger.PAGE,
        ref=ref,
        revision=revision,
        release=releases.build(target, revision, ref),
        by=by,
        by_name=by.full_name if by else "the Deployer",
        recipe=recipes.snapshot(target, recipe_file.read(target.application, revision)),
    )


def _archives(application: Application, runs: Sequence[HostRun], revision: str) -> tuple[dict[str, _Sent], bool]:
    """What would be streamed to hosts that serve each revision, and whether it is exact; nothing is built for it."""
    serving = {run.revision for run in runs}
    if not application.streamed:
        return {}, True  # each host fetches for itself
    plain = application.distribution == Application.Distribution.ARCHIVE and not application.build_command
    if plain or archives.is_made(application, revision):
        archive = archives.ensure_archive(application, revision)
        return {old: _Sent(archives.with_changes(archive, old).source) for old in serving}, True
    return dict.fromkeys(serving, _Sent(NOT_MADE)), False


def _hosts(deploy: Deploy, runs: Sequence[HostRun], sent: dict[str, _Sent], once: str) -> Iterator[Programs]:
    known = secrecy.secrets_of_deploy(deploy)
    ports = recipes.ports(deploy, list(runs))
    serving = Placement.objects.filter(target=deploy.target, colour="", current__isnull=False)
    previous = dict(serving.values_list("host", "current__name"))
    texts = Texts(deploy, release_configuration.read(deploy, runs, masked=True))
    for run in runs:
        run.previous = previous.get(run.host_id or 0, "")
        part = _Part(run, ports.get(run.host_id), sent.get(run.revision))
        programs = _programs(part, texts, once=run.host_name == once)
        shown = tuple((phase, _mask(text, known)) for phase, text in programs)
        yield Programs(run.host_name, run.region, run.zone, run.roles, run.revision, shown)


def _takes_once(deploy: Deploy, run: HostRun) -> bool:
    wanted = recipes.step_facts(deploy, Phase.ONCE)
    return bool(wanted) and len(recipes.step_facts(deploy, Phase.ONCE, run.roles)) == len(wanted)


def _programs(part: _Part, texts: Texts, *, once: bool) -> list[tuple[str, str]]:
    deploy = part.run.deploy
    switch = host_program.switch_command(
        recipes.place(deploy), name=f"{deploy.key}-switch-1", fence=1, nonce=_NONCE, release=recipes.release(deploy)
    )
    made = [("prepare", texts.prepare(part))]
    if once:
        made.append(("once", texts.once(part)))
    return [*made, ("switch", switch), ("finish", texts.finish(part))]


def _mask(text: str, known: frozenset[str]) -> str:
    return masked(text.encode(), known).decode(errors="replace")


def _changes(application: Application, runs: Sequence[HostRun], revision: str) -> tuple[Change, ...]:
    """One per revision that serves now, the most frequent first."""
    found = []
    for old, hosts in Counter(run.revision for run in runs).most_common():
        files: list[tuple[str, str]] = []
        number = 0
        if old and old != revision:
            try:
                files, number = repositories.files_between(application, old, revision)
            except repositories.RepositoryError:
                number = -1  # the mirror no longer has it
        found.append(Change(old, hosts, files, number))
    return tuple(found)
