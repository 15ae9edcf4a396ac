"""The moves of host runs: conditional on the table of moves and on the claim, with their event, in one transaction."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from deployments import claims, live, log
from deployments.claims import ClaimLost
from deployments.models import Deploy, HeldRelease, HostRun, Placement, Release
from deployments.states import RUN_FINAL, RUN_MOVES, RunStatus, sources
from notifications import events

R = RunStatus
_TOLD = {R.FAILED: "host_run.failed", R.UNREACHABLE: "host_run.unreachable", R.UNKNOWN: "host_run.unknown"}


def move(run: HostRun, to: RunStatus, **fields: Any) -> None:
    """Raises ClaimLost when this claim no longer holds or the move is not allowed any more."""
    if to in RUN_FINAL:
        fields["finished_at"] = timezone.now()
    elif run.started_at is None and to != R.PENDING:
        fields["started_at"] = run.started_at = timezone.now()
    with transaction.atomic():
        if claims.held(run).filter(status__in=sources(RUN_MOVES, to)).update(status=to, **fields) != 1:
            raise ClaimLost(f"{run.host_name} in deploy {run.deploy_id} is no longer this worker's.")
        if to in _TOLD:
            _tell(run, to, fields)
    run.status = to
    # the caller's transaction may be wider: a page that looks before it is over would see what was
    transaction.on_commit(lambda: live.announce(run.deploy_id, changed=True))


def note(run: HostRun, step: str) -> None:
    """What the host is doing now; only for people, so a lost claim is no error here."""
    run.step = step
    claims.held(run).update(step=step[:100])
    live.announce(run.deploy_id, changed=True)


def note_failure(run: HostRun, kind: str, text: str) -> None:
    """Why its program fails, as soon as the host has said it: whoever adopts the rest hears only that it failed."""
    run.error_kind, run.error = kind[:32], text
    claims.held(run).update(error_kind=run.error_kind, error=text)


def switched(run: HostRun, previous: str) -> None:
    """The host's `current` is this deploy's release. Raises ClaimLost."""
    deploy = run.deploy
    with transaction.atomic():
        now = timezone.now()
        move(run, R.SWITCHED, revision=deploy.revision, previous=previous, step="switched", switched_at=now)
        Placement.objects.update_or_create(
            host=run.host,
            target=deploy.target,
            colour="",
            defaults={
                "current": deploy.release,
                "switched_at": now,
                "seen": deploy.release.name if deploy.release else "",
                "seen_at": now,
                "drift": "",
            },
        )
    run.revision, run.previous = deploy.revision, previous


def prepared(run: HostRun) -> None:
    """The release lies on the host, whole. Raises ClaimLost."""
    with transaction.atomic():
        move(run, R.PREPARED, step="prepared")
        place, _ = Placement.objects.get_or_create(host=run.host, target=run.deploy.target, colour="")
        HeldRelease.objects.get_or_create(placement=place, release=run.deploy.release)


def lacks(run: HostRun) -> None:
    """The host does not hold the release that it was thought to hold, so it gets it first. Raises ClaimLost."""
    with transaction.atomic():
        move(run, R.PENDING, step="")
        HeldRelease.objects.filter(
            placement__host=run.host_id, placement__target=run.deploy.target_id, release=run.deploy.release_id
        ).delete()
        log.say(run.deploy, f"{run.host_name} no longer holds the release; it gets it again first.", host=run.host_name)


def removed(run: HostRun, release_name: str) -> None:
    """The host has cleaned up a release."""
    HeldRelease.objects.filter(
        placement__host=run.host_id, placement__target=run.deploy.target_id, release__name=release_name
    ).delete()


def skip(deploy: Deploy, run_ids: tuple[int, ...], why: str) -> None:
    """Host runs that shall not go on, since the wave does not."""
    with transaction.atomic():
        rows = claims.free(HostRun.objects.filter(pk__in=run_ids, status__in=sources(RUN_MOVES, R.SKIPPED)))
        if rows.update(status=R.SKIPPED, error=why, claimed_by=None, finished_at=timezone.now()):
            log.say(deploy, why)
    live.announce(deploy.pk, changed=True)


def drop(deploy: Deploy, run_ids: tuple[int, ...], why: str) -> None:
    """Host runs that end as cancelled without asking the host. The fence rises, so that a late worker is refused."""
    with transaction.atomic():
        rows = HostRun.objects.filter(pk__in=run_ids, deploy=deploy, status__in=sources(RUN_MOVES, R.CANCELLED))
        target = type(deploy.target).objects.filter(pk=deploy.target_id)
        target.update(fence=F("fence") + 1)
        fence = target.values_list("fence", flat=True).get()
        rows.update(status=R.CANCELLED, error=why, claimed_by=None, fence=fence, finished_at=timezone.now())
    live.announce(deploy.pk, changed=True)


def _tell(run: HostRun, to: RunStatus, fields: dict[str, Any]) -> None:
    error = str(fields.get("error", ""))
    target = run.deploy.target
    log.say(run.deploy, error or f"{run.host_name}: {to}.", host=run.host_name)
    events.record(
        _TOLD[to],
        "",
        application=target.application.name,
        environment=target.environment.name,
        deploy=run.deploy_id,
        host=run.host_name,
        step=str(fields.get("step", run.step)),
        error_kind=str(fields.get("error_kind", "")),
        error=error,
    )

    if str(fields.get("error_kind", "")).startswith("host-key"):
        events.record("host.key_refused", "", deploy=run.deploy_id, host=run.host_name, error=error)


def release_of(deploy: Deploy) -> Release:
    if deploy.release is None:
        raise ValueError(f"Deploy {deploy.pk} has no release.")
    return deploy.release
