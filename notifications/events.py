"""Events: what happened, written in the same transaction as the change itself."""

from typing import Any

from django.db import transaction

from notifications import live
from notifications.models import Event

KINDS = frozenset(
    {
        "deploy.requested",
        "deploy.waiting",
        "deploy.started",
        "deploy.cancelling",
        "deploy.succeeded",
        "deploy.partial",
        "deploy.failed",
        "deploy.cancelled",
        "deploy.needs_attention",
        "deploy.held",
        "deploy.prepared",
        "deploy.flipped",
        "deploy.flip_refused",
        "host_run.claimed",
        "host_run.adopted",
        "host_run.failed",
        "host_run.unreachable",
        "host_run.unknown",
        "fence.raised",
        "host.converged",
        "host.drifted",
        "host.key_accepted",
        "host.key_refused",
        "key.created",
        "key.uploaded",
        "token.created",
        "token.revoked",
        "permission.refused",
        "target.imported",
        "target.left",
        "target.taken_over",
        "target.taken_up",
        "worker.deaf",
        "worker.hears",
        "signed_in",
        "signed_out",
    }
)


class UndeclaredKind(ValueError):
    """An event of a kind that is not in KINDS: a mistake in our own code."""


def record(
    kind: str,
    actor: str = "",
    *,
    application: str = "",
    environment: str = "",
    deploy: int | None = None,
    **facts: Any,
) -> Event:
    """Write one event. Call it inside the transaction that changes something.

    `actor` is a user name, or empty for the Deployer itself; `facts` are plain JSON values without secrets.
    """
    if kind not in KINDS:
        raise UndeclaredKind(f"{kind!r} is no declared kind of event; add it to notifications.events.KINDS.")
    event = Event.objects.create(
        kind=kind, actor=actor, application=application, environment=environment, deploy=deploy, facts=facts
    )
    transaction.on_commit(lambda: live.changed(*topics_of(event)))
    return event


def topics_of(event: Event) -> list[str]:
    """What pages may watch to hear of it: every event, those of its kind, and those of what it is about."""
    topics = ["event", f"event/{event.kind}"]
    if event.application:
        topics.append(f"application/{event.application}")
    if event.application and event.environment:
        topics.append(f"target/{event.application}/{event.environment}")
    if event.deploy is not None:
        topics.append(f"deploy/{event.deploy}")
    if isinstance(event.facts.get("host"), str):
        topics.append(f"host/{event.facts['host']}")
    return topics
