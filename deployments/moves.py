"""Moves of many host runs at once: conditional on the table of moves and on the claims, with what they bring along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import CharField, F, QuerySet, Value
from django.utils import timezone

from deployments import claims, live, log
from deployments.models import Deploy, HeldRelease, HostRun, Placement, bulk
from deployments.states import RUN_FINAL, RUN_MOVES, RunStatus, sources
from environments.models import Host
from notifications import events

R = RunStatus
_TOLD = {R.FAILED: "host_run.failed", R.UNREACHABLE: "host_run.unreachable", R.UNKNOWN: "host_run.unknown"}


@dataclass(frozen=True, eq=False)
class Move:
    """A move that a worker wants for a host run that it has claimed, with the other fields to write."""

    run: HostRun
    to: RunStatus
    fields: Mapping[str, Any] = field(default_factory=dict)


class _SomeRefusedError(Exception):
    """Undoes the UPDATE for all, so that each is tried by itself."""


def move_all(moves: Sequence[Move]) -> set[int]:
    """Write those moves that the claims and the table allow; returns the ids of the other host runs.

    One conditional UPDATE for all that move alike under one claim; its row count decides.
    """
    refused: set[int] = set()
    now = timezone.now()
    with transaction.atomic():
        # the deploy's row before its host runs', as everywhere: what is told below is numbered under its lock
        if any(move.to in _TOLD for move in moves):
            list(Deploy.objects.select_for_update(no_key=True).only("pk").filter(pk=moves[0].run.deploy_id))
        for alike in _alike(moves).values():
            refused |= _move_alike(alike, now)
        made = [move for move in moves if move.run.pk not in refused]
        _keep_places(made, now)
        for move in made:
            if move.to in _TOLD:
                _tell(move.run, move.to, move.fields)
    for move in made:
        move.run.status = move.to
    for deploy_id in {move.run.deploy_id for move in made}:
        # the caller's transaction may be wider: a page that looks before it is over would see what was
        transaction.on_commit(partial(live.announce, deploy_id, changed=True))
    return refused


def _alike(moves: Sequence[Move]) -> dict[tuple[Any, ...], list[Move]]:
    groups: dict[tuple[Any, ...], list[Move]] = {}
    for move in moves:
        run = move.run
        claim = (run.claimed_by_id, run.fence, run.started_at is None)
        groups.setdefault((*claim, move.to, *sorted(move.fields.items())), []).append(move)
    return groups


def _move_alike(alike: Sequence[Move], now: datetime) -> set[int]:
    """The ids of those that were refused."""
    first = alike[0]
    fields = {**first.fields, "status": first.to}
    begins = first.to not in RUN_FINAL and first.run.started_at is None and first.to != R.PENDING
    if begins:
        fields["started_at"] = now
    elif first.to in RUN_FINAL:
        fields["finished_at"] = now
    allowed = claims.held_all(move.run for move in alike).filter(status__in=sources(RUN_MOVES, first.to))
    try:
        with transaction.atomic():
            if allowed.update(**fields) != len(alike):
                raise _SomeRefusedError
        refused = set()
    except _SomeRefusedError:
        one_by_one = (claims.held(move.run).filter(status__in=sources(RUN_MOVES, first.to)) for move in alike)
        refused = {move.run.pk for move, row in zip(alike, one_by_one, strict=True) if row.update(**fields) != 1}
    for move in alike:
        if begins and move.run.pk not in refused:
            move.run.started_at = now
    return refused


def switched_all(switches: Sequence[tuple[HostRun, str]]) -> set[int]:
    """The hosts' `current` is their deploy's release; with each, what it was before. Returns the ids of the refused."""
    now = timezone.now()
    moves = [
        Move(
            run,
            R.SWITCHED,
            {"revision": run.deploy.revision, "previous": previous, "step": "switched", "switched_at": now},
        )
        for run, previous in switches
    ]
    refused = move_all(moves)
    for run, previous in switches:
        if run.pk not in refused:
            run.revision, run.previous = run.deploy.revision, previous
    return refused


def _keep_places(made: Sequence[Move], now: datetime) -> None:
    """What lies on the hosts since they moved: a whole release once prepared, and what is current once switched."""
    for status in (R.PREPARED, R.SWITCHED):
        there = [move.run for move in made if move.to == status and move.run.host_id is not None]
        if there:
            deploy = there[0].deploy
            places = _places(deploy, {run.host_id for run in there if run.host_id is not None})
            if status == R.PREPARED:
                facts = {"placement_id": F("pk"), "release_id": Value(deploy.release_id, HeldRelease._meta.pk)}
                bulk.insert_from(HeldRelease, places, facts)
            else:
                name = deploy.release.name if deploy.release else ""
                places.update(current=deploy.release, switched_at=now, seen=name, seen_at=now, drift="")


def _places(deploy: Deploy, host_ids: set[int]) -> QuerySet[Placement]:
    """The target's places on these hosts, made where there is none yet."""
    found = Placement.objects.filter(target=deploy.target_id, colour="", host__among=host_ids)
    if found.count() < len(host_ids):
        target_id = Value(deploy.target_id, Placement._meta.pk)
        nothing = {name: Value("", CharField()) for name in ("colour", "seen", "drift")}
        facts = {"host_id": F("pk"), "target_id": target_id, **nothing}
        bulk.insert_from(Placement, Host.objects.filter(pk__among=host_ids), facts)
    return found


def _tell(run: HostRun, to: RunStatus, fields: Mapping[str, Any]) -> None:
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
