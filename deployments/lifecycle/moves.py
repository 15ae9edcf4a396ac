"""What every verb does in its transaction: hold the target, move the deploy as the table allows, record the event."""

from collections.abc import Collection
from typing import Any

from django.db import transaction

from deployments import live
from deployments.models import Deploy
from deployments.states import DEPLOY_MOVES, sources
from environments import windows
from environments.models import Target, User
from notifications import events

_RULES = ("left_at", "approvals", "approvers", "approval_hours")


def lock(target: Target) -> None:
    """Hold the target's row to the end of the transaction: numbers, blockers and starts are decided one by one."""
    rows = Target.objects.select_for_update(no_key=True, of=("self",)).select_related("environment", "approvers")
    rows = rows.annotate(frozen=windows.frozen())
    fresh = rows.only(*_RULES, "environment__windows", "environment__outside", "approvers__name").get(pk=target.pk)
    # it may have been left, or its rules changed, since the caller read it
    for name in _RULES:
        setattr(target, name, getattr(fresh, name))
    target.frozen = fresh.frozen  # type: ignore[attr-defined]
    target.environment.windows, target.environment.outside = fresh.environment.windows, fresh.environment.outside


def lock_targets(target_ids: Collection[int]) -> None:
    """Hold several, always in the same order, so that two who do it never wait for each other."""
    rows = Target.objects.select_for_update(no_key=True).order_by("pk").filter(pk__in=target_ids)
    list(rows.values_list("pk"))


def status_of(deploy: Deploy) -> str:
    return str(Deploy.objects.values_list("status", flat=True).get(pk=deploy.pk))


def move(deploy: Deploy, to: str, **fields: Any) -> bool:
    """One conditional UPDATE over the table of allowed moves; the row count decides."""
    moved = Deploy.objects.filter(pk=deploy.pk, status__in=sources(DEPLOY_MOVES, to)).update(status=to, **fields) == 1
    if moved:
        deploy.status = to
        transaction.on_commit(lambda: live.announce(deploy.pk, changed=True))
    return moved


def record(deploy: Deploy, kind: str, *, by: User | None, **facts: Any) -> None:
    target = deploy.target
    events.record(
        kind,
        by.username if by else "",
        application=target.application.name,
        environment=target.environment.name,
        deploy=deploy.pk,
        number=deploy.number,
        ref=deploy.ref,
        revision=deploy.revision,
        by=deploy.by_name,
        deploy_kind=deploy.kind,
        **({"endpoint": target.name} if target.name else {}),
        **facts,
    )
