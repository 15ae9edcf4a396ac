"""How a deploy begins, whichever verb wants it: number, host runs, event and the doorbell in one transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from deployments import approvals, blockers, log, recipes, releases
from deployments.closed_times import NEVER_WAIT
from deployments.doorbell import ring
from deployments.lifecycle.holding import hold, replace_older, started
from deployments.lifecycle.moves import record
from deployments.lifecycle.passing import NOTHING_SAID, Passing, goes_over, left_of, tell_over
from deployments.models import Deploy, HostRun, Kind, Release, Standing, bulk
from deployments.states import DeployStatus
from environments.models import Membership, Outside, Target, User

S = DeployStatus
TO_ALL = (Kind.DEPLOY, Kind.ROLLBACK, Kind.CONFIGURATION)  # the others go to hosts that are named
_VERBS = {Kind.ROLLBACK: "rolls back to", Kind.RETRY: "retries", Kind.CONVERGE: "converges to"}


def refuse_if_blocked(found: list[blockers.Blocker], target: Target, wait: bool) -> None:
    if found and not (wait and all(blocker.passes for blocker in found)):
        raise blockers.Blocked(target, found)


def is_held(found: Sequence[blockers.Blocker], kind: str, automatic: bool) -> bool:
    """Whether it is one that a lock holds instead of refusing it: an automatic deploy is not lost."""
    return automatic and kind == Kind.DEPLOY and any(it.lock for it in found)


def is_dropped(found: Sequence[blockers.Blocker], target: Target, kind: str, automatic: bool) -> bool:
    """Whether an automatic deploy came at a closed time to an environment that does not let those wait."""
    drops = automatic and kind not in NEVER_WAIT and target.environment.outside == Outside.DROP
    return drops and any(it.closes for it in found)


def waits_by_itself(found: Sequence[blockers.Blocker], target: Target, kind: str, automatic: bool) -> bool:
    """Whether it waits though nobody asked for that: an automatic one at a closed time, or that a lock holds."""
    closed = automatic and any(it.closes for it in found) and not is_dropped(found, target, kind, automatic)
    return closed or is_held(found, kind, automatic)


def begin(
    *,
    target: Target,
    release: Release | None,
    ref: str,
    revision: str,
    recipe: dict[str, Any],
    members: list[Membership],
    by: User | None,
    trigger: str,
    kind: str,
    automatic: bool = False,
    wait: bool = False,
    of: Deploy | None = None,
    rests: bool = False,
    flip_at: datetime | None = None,
    missing: Sequence[blockers.Blocker] = (),
    only: bool = False,
    said: Passing = NOTHING_SAID,
    by_name: str = "",
) -> Deploy:
    """Number, host runs, event and the doorbell, in the caller's transaction.

    `only`: a person chose these hosts, so that the others do not catch up by themselves. `by_name`: as whom it is told.
    """
    subject = approvals.digest(target, revision, release, recipe)
    lacking = approvals.lacking(target, kind=kind, subject=subject, askers=(by.pk if by else None,), of=of, deploy=None)
    all_found = [*blockers.blockers(target, kind=kind, by=by, automatic=automatic), *missing, *lacking]
    over = goes_over(all_found, said, target=target, kind=kind, by=by, automatic=automatic)
    found = left_of(all_found, said, target=target, kind=kind, by=by, automatic=automatic)
    # an approval can only be had while it waits
    waits = wait or waits_by_itself(found, target, kind, automatic)
    refuse_if_blocked(approvals.without(found), target, waits)
    now = timezone.now()
    Target.objects.filter(pk=target.pk).update(last_number=F("last_number") + 1)
    number = Target.objects.values_list("last_number", flat=True).get(pk=target.pk)
    away = blockers.left_out(target) if kind in TO_ALL and not only else []
    try:
        with transaction.atomic():
            deploy = Deploy.objects.create(
                key=secrets.token_hex(8),
                target=target,
                number=number,
                kind=kind,
                trigger=trigger,
                automatic=automatic,
                of=of,
                status=S.WAITING if found else S.RUNNING,
                requested_at=now,
                started_at=None if found else now,
                ref=ref,
                revision=revision,
                release=release,
                by=by,
                by_name=by_name or (by.full_name if by else "the Deployer"),
                recipe=recipe,
                plan=recipes.waves(target, members, away) | ({"only": True} if only else {}),
                held=rests,
                flip_at=flip_at,
                confirmed=said.confirmed,
                over_locks=over,
                subject=subject,
            )
    except IntegrityError:
        # the constraint is the last word, should anything ever start a deploy without the target's lock
        found = blockers.blockers(target, kind=kind, by=by, automatic=automatic)
        if not found:
            raise  # another constraint: "blocked by nothing" would hide it
        raise blockers.Blocked(target, found) from None
    held = releases.holders(release) if release and kind in (Kind.ROLLBACK, Kind.RETRY, Kind.CONVERGE) else set()
    _store(recipes.host_runs(deploy, members, held))
    if kind != Kind.TASK:
        Standing.objects.update_or_create(target=target, defaults={"latest": deploy})
    holds = is_held(found, kind, automatic)
    facts = _waits_for(found, lacking) | ({"held": True} if holds else {})
    record(deploy, "deploy.waiting" if found else "deploy.requested", by=by, trigger=trigger, **facts)
    log.say(deploy, " ".join(["Waits:", *(it.sentence for it in found)]) if found else headline(deploy))
    if over:
        tell_over(deploy, all_found, said)
    if holds:
        hold(deploy, next(it.lock for it in found if it.lock))
    elif found and automatic and kind == Kind.DEPLOY:
        replace_older(deploy)
    elif not found:
        started(deploy)
    if away:
        log.say(deploy, f"Left out: {blockers.tell_left_out(away)}.")
    transaction.on_commit(lambda: ring(deploy.pk))
    return deploy


def _waits_for(found: list[blockers.Blocker], lacking: Sequence[blockers.Blocker]) -> dict[str, Any]:
    """Facts of a deploy that waits: what for, and whether for people who approve it."""
    if not found:
        return {}
    return {"reason": " ".join(it.sentence for it in found), "approvals": bool(lacking)}


def _store(rows: Sequence[recipes.NewRun]) -> None:
    """Thousands of hosts have a few lists of roles, and each is turned to JSON once."""
    lists = {tuple(row.roles): row.roles for row in rows}
    stored = {key: bulk.as_stored(HostRun, "roles", roles) for key, roles in lists.items()}
    bulk.insert(HostRun, recipes.NewRun._fields, [row._replace(roles=stored[tuple(row.roles)]) for row in rows])


def headline(deploy: Deploy) -> str:
    if deploy.kind == Kind.TASK:
        given = "".join(f" {name}={value}" for name, value in deploy.recipe["task"]["values"].items())
        return f"{deploy.by_name} runs {deploy.ref}{given} on {deploy.target.slug}, #{deploy.number}."
    if deploy.kind == Kind.CONFIGURATION:
        what = f"{deploy.target.slug} ({deploy.revision[:8]})"
        return f"{deploy.by_name} deploys the configuration of {what}, #{deploy.number}."
    verb = _VERBS.get(Kind(deploy.kind), "deploys")
    what = f"{deploy.target.application.name}/{deploy.ref} ({deploy.revision[:8]})"
    return f"{deploy.by_name} {verb} {what} on {deploy.target.slug}, #{deploy.number}."
