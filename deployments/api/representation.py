"""A deploy as data: the same for the API, the WebSocket's status and whoever else tells of deploys."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from deployments import approvals, turns
from deployments.blockers import Blocker, of_waiting, waits_before
from deployments.models import Approval, Deploy, HostRun
from deployments.states import DeployStatus
from environments import locks
from environments.models import Lock, Reservation

HOST_FIELDS = ("host_name", "region", "zone", "status", "step", "revision", "error")
HOST_TIMES = ("started_at", "switched_at", "finished_at")


def deploys() -> QuerySet[Deploy]:
    """Deploys with all that `summarize` needs, in one query."""
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock", "target__approvers")
    return Deploy.objects.select_related(*related).defer("plan", "recipe")


def represent(deploy: Deploy) -> dict[str, Any]:
    """Everything about one of `deploys()`: its hosts, and what it waits for. One query, four more while it waits."""
    waiting = deploy.status == DeployStatus.WAITING
    return {
        **summarize(deploy),
        "blockers": represent_blockers(_waits_for(deploy)) if waiting else [],
        "approval": represent_approval(deploy),
        "hosts": _represent_hosts(deploy),
    }


def summarize(deploy: Deploy) -> dict[str, Any]:
    """A deploy without its hosts and blockers, as lists have it. No query on one of `deploys()`."""
    return {
        "id": deploy.pk,
        "number": deploy.number,
        "application": deploy.target.application.name,
        "environment": deploy.target.environment.name,
        "kind": deploy.kind,
        "trigger": deploy.trigger,
        "automatic": deploy.automatic,
        "of": deploy.of_id,
        "status": deploy.status,
        "reason": deploy.reason,
        "held": deploy.held,
        "prepared_at": represent_time(deploy.prepared_at),
        "flip_at": represent_time(deploy.flip_at),
        "met_lock": deploy.met_lock_id,
        "ref": deploy.ref,
        "revision": deploy.revision,
        "by": deploy.by.username if deploy.by else "",
        "by_name": deploy.by_name,
        "requested_at": represent_time(deploy.requested_at),
        "started_at": represent_time(deploy.started_at),
        "finished_at": represent_time(deploy.finished_at),
        "url": absolute(reverse("deploy", args=[deploy.pk])),
        "log": {"lines": deploy.lines, "sha256": deploy.log_sha256},
    }


def represent_blockers(found: Iterable[Blocker]) -> list[dict[str, Any]]:
    """Blockers with addresses that work outside of our pages, as in a terminal or a chat."""
    return [{**blocker.facts(), "url": absolute(blocker.url)} for blocker in found]


def represent_lock(lock: Lock) -> dict[str, Any]:
    """No query on one that was read with its holder and team."""
    return {
        "id": lock.pk,
        "scope": lock.scope,
        "kind": lock.kind,
        "holder": lock.holder.username if lock.holder else "",
        "team": lock.team.name if lock.team else "",
        "holder_name": lock.holder_name,
        "reason": lock.reason,
        "since": represent_time(lock.since),
        "until": represent_time(lock.until),
        "offered": lock.offered,
        "machines_only": lock.machines_only,
        "orphaned": lock.orphaned,
        "text": f"{locks.tell(lock)}.",
    }


def represent_time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def absolute(path: str) -> str:
    return f"{settings.BASE_URL}{path}" if path else ""


def _represent_hosts(deploy: Deploy) -> list[dict[str, Any]]:
    runs = (
        HostRun.objects.filter(deploy=deploy)
        .order_by("region", "zone", "host_name")
        .values_list(*HOST_FIELDS, *HOST_TIMES)
    )
    names, facts = ("host", *HOST_FIELDS[1:]), len(HOST_FIELDS)
    return [
        dict(zip(names, run[:facts], strict=True))
        | {name: represent_time(at) for name, at in zip(HOST_TIMES, run[facts:], strict=True)}
        for run in runs
    ]


def represent_reservation(row: Reservation) -> dict[str, Any]:
    return {
        "id": row.pk,
        "scope": row.scope,
        "holder": row.holder.username if row.holder else "",
        "team": row.team.name if row.team else "",
        "holder_name": row.holder_name,
        "reason": row.reason,
        "starts": represent_time(row.starts),
        "ends": represent_time(row.ends),
        "zone": row.zone,
        "series": str(row.series) if row.series else None,
        "begun": row.began_at is not None,
        "text": f"{locks.tell_reservation(row)}.",
    }


def _waits_for(deploy: Deploy) -> list[Blocker]:
    """What blocks its target, then who stands before it in the queue."""
    found = of_waiting(deploy)
    return found + [waits_before(earlier) for earlier in turns.ahead_of(deploy)[:20]]


def represent_approval(deploy: Deploy) -> dict[str, Any] | None:
    """What is to be approved, and by how many of whom it is; None where nobody is asked."""
    target = deploy.target
    if not approvals.asks(target, deploy.kind):
        return None
    subject = approvals.subject_of(deploy)
    standing = approvals.standing(target, subject, approvals.given_on(target), askers=approvals.askers_of(deploy))
    said = [
        {
            "by_name": one.by_name,
            "approved": one.approved,
            "word": one.word,
            "at": represent_time(one.at),
            "until": represent_time(one.until) if one.approved else None,
        }
        for one in Approval.objects.filter(deploy=deploy)
    ]
    return {
        "subject": subject,
        "needed": standing.needed,
        "team": standing.team,
        "given": list(standing.names),
        "said": said,
    }
