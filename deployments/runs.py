"""The moves of single host runs, what is noted of them, and the ends that need no worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from deployments import claims, live, log
from deployments.claims import ClaimLost
from deployments.models import Deploy, HeldRelease, HostRun, Release
from deployments.models.bulk import ids_of
from deployments.moves import Move, move_all, switched_all
from deployments.states import RUN_MOVES, SWITCHING, RunStatus, sources

R = RunStatus
_TOLD_THE_WORD = "It was told to switch, and nobody knows whether it did."


@dataclass(frozen=True, eq=False)
class Note:
    """What the host is doing now; only for people."""

    run: HostRun
    step: str


@dataclass(frozen=True, eq=False)
class Removed:
    """The host has cleaned up a release."""

    run: HostRun
    release: str


def move(run: HostRun, to: RunStatus, **fields: Any) -> None:
    """Raises ClaimLost when this claim no longer holds or the move is not allowed any more."""
    if move_all([Move(run, to, fields)]):
        raise ClaimLost(f"{run.host_name} in deploy {run.deploy_id} is no longer this worker's.")


def without_claim(some: Sequence[HostRun]) -> set[tuple[int, int]]:
    """Those, by id and fence, whose claim no longer holds."""
    rows = HostRun.objects.filter(pk__among=ids_of(some)).values_list("pk", "claimed_by", "fence")
    held = set(rows)
    return {(run.id, run.fence) for run in some if (run.id, run.claimed_by_id, run.fence) not in held}


def note_all(notes: Sequence[Note]) -> None:
    """The latest of each host run, as far as the claims hold; a lost one is no error here."""
    latest = {note.run.id: note for note in notes}
    groups: dict[tuple[int | None, int, str], list[HostRun]] = {}
    for note in latest.values():
        groups.setdefault((note.run.claimed_by_id, note.run.fence, note.step[:100]), []).append(note.run)
    for (_, _, step), runs in groups.items():
        claims.held_all(runs).update(step=step)
    for deploy_id in {note.run.deploy_id for note in notes}:
        transaction.on_commit(partial(live.announce, deploy_id, changed=True))


def note_failure(run: HostRun, kind: str, text: str) -> None:
    """Why its program fails, as soon as the host has said it: whoever adopts the rest hears only that it failed."""
    run.error_kind, run.error = kind[:32], text
    claims.held(run).update(error_kind=run.error_kind, error=text)


def begin_switch(rows: Sequence[tuple[HostRun, str]]) -> bool:
    """Note that these hosts get the word, before they do; whether all claims hold, so that they may get it.

    With each, what serves there before. Whoever adopts them then knows that a host which cannot be asked may have
    switched, and whether one that serves the release has come to it by this deploy.
    """
    by_previous: dict[str, list[HostRun]] = {}
    for run, previous in rows:
        by_previous.setdefault(previous, []).append(run)
    counts = [
        HostRun.objects.filter(pk__among=set(ids), claimed_by=worker_id, fence=fence).update(
            step=SWITCHING, previous=previous
        )
        for previous, some in by_previous.items()
        for (worker_id, fence), claimed in claims.by_claim(some).items()
        for ids in claims.pieces([run.pk for run in claimed])
    ]
    return sum(counts) == len(rows)


def may_have_switched(run: HostRun) -> bool:
    """It was given the word, or was about to be, and no row tells what became of it."""
    return run.status == R.PREPARED and run.step == SWITCHING


def switched(run: HostRun, previous: str) -> None:
    """The host's `current` is this deploy's release. Raises ClaimLost."""
    if switched_all([(run, previous)]):
        raise ClaimLost(f"{run.host_name} in deploy {run.deploy_id} is no longer this worker's.")


def prepared(run: HostRun) -> None:
    """The release lies on the host, whole. Raises ClaimLost."""
    move(run, R.PREPARED, step="prepared")


def lacks(run: HostRun) -> None:
    """The host does not hold the release that it was thought to hold, so it gets it first. Raises ClaimLost."""
    with transaction.atomic():
        move(run, R.PENDING, step="")
        HeldRelease.objects.filter(
            placement__host=run.host_id, placement__target=run.deploy.target_id, release=run.deploy.release_id
        ).delete()
        log.say(run.deploy, f"{run.host_name} no longer holds the release; it gets it again first.", host=run.host_name)


def forget_releases(gone: Sequence[Removed]) -> None:
    """Hosts have cleaned up releases."""
    by_name: dict[tuple[int, str], list[int | None]] = {}
    for entry in gone:
        by_name.setdefault((entry.run.deploy.target_id, entry.release), []).append(entry.run.host_id)
    for (target_id, name), hosts in by_name.items():
        HeldRelease.objects.filter(placement__host__in=hosts, placement__target=target_id, release__name=name).delete()


def skip(deploy: Deploy, run_ids: tuple[int, ...], why: str) -> None:
    """Host runs that shall not go on, since the wave does not."""
    with transaction.atomic():
        Deploy.objects.select_for_update(no_key=True).only("pk").get(
            pk=deploy.pk
        )  # before its host runs, as everywhere
        rows = claims.free(HostRun.objects.filter(pk__in=run_ids, status__in=sources(RUN_MOVES, R.SKIPPED)))
        if rows.update(status=R.SKIPPED, error=why, claimed_by=None, finished_at=timezone.now()):
            log.say(deploy, why)
    live.announce(deploy.pk, changed=True)


def drop(deploy: Deploy, run_ids: tuple[int, ...], why: str, *, begun: bool) -> None:
    """Host runs that end as cancelled without asking the host. The fence rises, so that a late worker is refused.

    Unless they may have `begun`, one that a worker has taken since is left alone: it is begun now. One that may have
    got the word to switch ends as unknown.
    """
    with transaction.atomic():
        target = type(deploy.target).objects.filter(pk=deploy.target_id)
        target.update(fence=F("fence") + 1)
        fence = target.values_list("fence", flat=True).get()
        rows = HostRun.objects.filter(pk__in=run_ids, deploy=deploy, status__in=sources(RUN_MOVES, R.CANCELLED))
        if not begun:
            rows = claims.free(rows.filter(status=R.PENDING))
        over: dict[str, Any] = {"claimed_by": None, "fence": fence, "finished_at": timezone.now()}
        rows.filter(status=R.PREPARED, step=SWITCHING).update(status=R.UNKNOWN, error=f"{why} {_TOLD_THE_WORD}", **over)
        rows.update(status=R.CANCELLED, error=why, **over)
    live.announce(deploy.pk, changed=True)


def release_of(deploy: Deploy) -> Release:
    if deploy.release is None:
        raise ValueError(f"Deploy {deploy.pk} has no release.")
    return deploy.release
