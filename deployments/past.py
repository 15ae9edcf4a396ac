"""Deploys that were over before the Deployer came: written once, before a target's first own deploy."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deployments import recipes
from deployments.models import Deploy, HostRun, Kind, LogChunk, Release, Standing, Trigger
from deployments.models.logs import Stream
from deployments.states import DeployStatus, RunStatus
from environments.models import Membership, Target


@dataclass(frozen=True)
class PastDeploy:
    """One deploy that succeeded, as somebody else's history tells it; `text` becomes its log, line by line."""

    at: datetime
    kind: Kind
    ref: str
    revision: str
    release: Release | None
    by_name: str
    hosts: tuple[str, ...]
    text: str


def write(target: Target, past: Sequence[PastDeploy], members: Sequence[Membership]) -> list[Deploy]:
    """Numbered from 1 in their order. The caller holds the target's row, and has made sure that it has no deploys."""
    recipe = recipes.snapshot(target) | {"steps": []}
    rows = [_row(target, number, one, recipe) for number, one in enumerate(past, 1)]
    deploys = Deploy.objects.bulk_create(rows)
    _point_back(deploys)
    chosen = {member.host.name: member for member in members}
    runs = [
        _run(deploy, chosen[name], one.at)
        for deploy, one in zip(deploys, past, strict=True)
        for name in one.hosts
        if name in chosen
    ]
    HostRun.objects.bulk_create(runs, batch_size=500)
    LogChunk.objects.bulk_create([_chunk(deploy, one) for deploy, one in zip(deploys, past, strict=True)])
    Target.objects.filter(pk=target.pk).update(last_number=len(deploys))
    if deploys:
        Standing.objects.update_or_create(target=target, defaults={"latest": deploys[-1]})
    return deploys


def _row(target: Target, number: int, one: PastDeploy, recipe: dict[str, object]) -> Deploy:
    """Nobody knows when it began, so it has no duration."""
    lines = one.text.splitlines()
    return Deploy(
        key=secrets.token_hex(8),
        target=target,
        number=number,
        kind=one.kind,
        trigger=Trigger.CLI,
        status=DeployStatus.SUCCEEDED,
        reason=lines[0],
        ref=one.ref,
        revision=one.revision,
        release=one.release,
        by_name=one.by_name,
        plan={"waves": [{"hosts": len(one.hosts)}], "needed": 0, "needed_per_region": 0},
        recipe=recipe,
        requested_at=one.at,
        finished_at=one.at,
        lines=len(lines),
        log_sha256=hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest(),
    )


def _point_back(deploys: Sequence[Deploy]) -> None:
    """A rollback answers the newest deploy before it that laid its release out."""
    laid_out: dict[int, Deploy] = {}
    changed = []
    for deploy in deploys:
        if deploy.release_id is None:
            continue
        if deploy.kind == Kind.ROLLBACK:
            deploy.of = laid_out.get(deploy.release_id)
            changed.append(deploy)
        else:
            laid_out[deploy.release_id] = deploy
    Deploy.objects.bulk_update(changed, ["of"])


def _run(deploy: Deploy, member: Membership, at: datetime) -> HostRun:
    zone = member.host.zone
    return HostRun(
        deploy=deploy,
        host=member.host,
        host_name=member.host.name,
        roles=member.roles,
        region=zone.region.name if zone else "",
        zone=zone.name if zone else "",
        status=RunStatus.LIVE,
        revision=deploy.revision,
        switched_at=at,
        finished_at=at,
    )


def _chunk(deploy: Deploy, one: PastDeploy) -> LogChunk:
    return LogChunk(
        deploy=deploy,
        stream=Stream.DEPLOYER,
        first_n=1,
        last_n=deploy.lines,
        at=one.at,
        text="\n".join(one.text.splitlines()),
    )
