"""What Capistrano did becomes a target's history, and its releases can be gone back to. Hosts are only read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from deployments import past as past_deploys
from deployments.blockers import members
from deployments.capistrano import roots
from deployments.capistrano.history import History, Past, rolled_back_from, tell
from deployments.capistrano.refusals import HasHistory
from deployments.capistrano.roots import Root
from deployments.models import Deploy, HeldRelease, Kind, Placement, Release, ReleaseKind, Standing
from deployments.past import PastDeploy
from environments import access, repositories
from environments.models import Application, Membership, Target, User
from notifications import events

MOST = 200  # deploys; what is older is history to Capistrano, too
SHA = 40


@dataclass
class Taken:
    """What was taken over; `notes` are sentences about what was not."""

    deploys: int = 0
    releases: int = 0
    current: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def take_over(
    target: Target, *, by: User | None, actor: str, without: Sequence[str] = (), dry_run: bool = False
) -> Taken:
    """Read Capistrano's folder on every host of `target` but those in `without`, and write its history.

    Before the first deploy only. With `dry_run` nothing is written. Raises HostsSilent, HasHistory, NotAllowed.
    """
    access.require(by, access.ADMINISTER, target)
    _refuse_history(target)
    chosen = [member for member in members(target, aside=True) if member.host.name not in without]
    found = roots.look(target, [member.host for member in chosen])
    history = tell(found)
    revisions, notes = _full_revisions(target.application, history)
    entries = history.past[-MOST:]
    held = sum(_held(found, name) for name in revisions)
    taken = Taken(len(entries), held, {name: root.current for name, root in found.items()})
    taken.notes = [*notes, *_remarks(found, history, len(entries))]
    if not dry_run:
        with transaction.atomic():
            target.left_at = Target.objects.select_for_update().only("left_at").get(pk=target.pk).left_at
            _refuse_history(target)
            _write(target, entries, revisions, found, chosen)
            Release.objects.filter(target=target, name__in=rolled_back_from(history.past)).update(bad=True)
            _record(target, actor, taken)
    return taken


def _refuse_history(target: Target) -> None:
    if Deploy.objects.filter(target=target).exists():
        raise HasHistory(
            f"{target.slug} has deploys already; what was before them can be taken over before the first one only."
        )


def _held(found: Mapping[str, Root], name: str) -> bool:
    return any(name in root.releases for root in found.values())


def _full_revisions(application: Application, history: History) -> tuple[dict[str, str], list[str]]:
    """By release: its 40 digits. Older Capistranos wrote 7; the repository knows the rest."""
    full: dict[str, str] = {}
    notes: list[str] = []
    for past in history.past:
        revision = past.revision
        if past.rollback or past.name in history.disagreeing:
            continue
        if len(revision) == SHA:
            full[past.name] = revision
        elif len(revision) >= 7:
            try:
                repositories.ensure_revision(application, revision)
                full[past.name] = repositories.commits(application, revision, limit=1)[0].revision
            except repositories.RepositoryError as error:
                notes.append(f"{past.name} cannot be gone back to: its revision is shortened to {revision}. {error}")
        else:
            notes.append(f"{past.name} cannot be gone back to: nothing tells its revision.")
    return full, notes


def _remarks(found: Mapping[str, Root], history: History, kept: int) -> list[str]:
    notes = [f"{name} cannot be gone back to: it holds another revision on some hosts." for name in history.disagreeing]
    if len(history.past) > kept:
        notes.append(f"Only the newest {kept} of {len(history.past)} deploys were taken over.")
    for name, root in found.items():
        if root.outside:
            notes.append(f"{name}: `current` leads to {root.outside}, which is none of the releases.")
        elif not root.current:
            notes.append(f"{name}: nothing serves there (no `current`).")
        if root.strange:
            notes.append(f"{name}: {root.strange} entries of releases/ have no name of 14 digits; they are left alone.")
        if root.lines > len(root.log):
            notes.append(f"{name}: only the newest {len(root.log)} of {root.lines} lines of revisions.log were read.")
    if history.unread:
        first = history.unread[0]
        notes.append(f"{len(history.unread)} lines of revisions.log say nothing that we know, the first on {first}")
    return notes


def _write(
    target: Target,
    entries: Sequence[Past],
    revisions: Mapping[str, str],
    found: Mapping[str, Root],
    chosen: Sequence[Membership],
) -> None:
    refs = {entry.name: entry.ref for entry in entries if entry.ref}
    held = {name: revision for name, revision in revisions.items() if _held(found, name)}
    releases = _write_releases(target, held, refs)
    rows = [_past_deploy(entry, revisions, refs, releases.get(entry.name)) for entry in entries]
    deploys = past_deploys.write(target, rows, chosen)
    for member in chosen:
        root = found[member.host.name]
        place, _ = Placement.objects.update_or_create(
            host=member.host,
            target=target,
            colour="",
            defaults={"current": releases.get(root.current), "switched_at": root.since if root.current else None},
        )
        there = [releases[name] for name in root.releases if name in releases]
        HeldRelease.objects.bulk_create([HeldRelease(placement=place, release=release) for release in there])
    serving = {releases[root.current].pk for root in found.values() if root.current in releases}
    live = [deploy for deploy in deploys if deploy.release_id in serving]
    if live:
        Standing.objects.filter(target=target).update(live=live[-1])


def _write_releases(target: Target, known: Mapping[str, str], refs: Mapping[str, str]) -> dict[str, Release]:
    """In the order of their time: what is earlier is found by its lower id."""
    archive = target.application.distribution == Application.Distribution.ARCHIVE
    kind = ReleaseKind.ARCHIVE if archive else ReleaseKind.TREE
    rows = [
        Release(target=target, name=name, revision=revision, ref=_ref(refs, name, revision), kind=kind, imported=True)
        for name, revision in sorted(known.items())
    ]
    return {row.name: row for row in Release.objects.bulk_create(rows)}


def _ref(refs: Mapping[str, str], name: str, revision: str) -> str:
    return refs.get(name, revision)[:200] or "unknown"


def _past_deploy(
    entry: Past, revisions: Mapping[str, str], refs: Mapping[str, str], release: Release | None
) -> PastDeploy:
    revision = revisions.get(entry.name, entry.revision)
    said = f"It says: {entry.line}" if entry.line else "Only the folder of its release tells of it."
    when = "" if entry.timed else "\nThe log has no time for it; what is shown is that of the deploy before."
    return PastDeploy(
        at=entry.at,
        kind=Kind.ROLLBACK if entry.rollback else Kind.DEPLOY,
        ref=_ref(refs, entry.name, revision),
        revision=revision,
        release=release,
        by_name=entry.by[:300] or "unknown",
        hosts=entry.hosts,
        text=f"Imported from Capistrano's revisions.log.\n{said}{when}",
    )


def _record(target: Target, actor: str, taken: Taken) -> None:
    events.record(
        "target.taken_over",
        actor,
        application=target.application.name,
        environment=target.environment.name,
        deploys=taken.deploys,
        releases=taken.releases,
        current=taken.current,
    )
