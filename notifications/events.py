"""Events: what happened, written in the same transaction as the change itself."""

from typing import Any

from django.db import transaction

from notifications import delivering, graphite, live, messages, metrics
from notifications.models import Event
from notifications.origin import current

KINDS = frozenset(
    {
        "application.added",
        "application.changed",
        "application.removed",
        "channel.added",
        "channel.changed",
        "channel.removed",
        "channel.resumed",
        "channel.stopped",
        "authority.distrusted",
        "authority.trusted",
        "calendar.address_made",
        "calendar.address_removed",
        "configuration.delivery_changed",
        "configuration.removed",
        "configuration.set",
        "configuration.undone",
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
        "deploy.dropped",
        "deploy.let_go",
        "deploy.met_lock",
        "deploy.stays_held",
        "deploy.approved",
        "deploy.refused",
        "deploy.overrode",
        "deploy.not_taken",
        "deploy.moved_to_front",
        "hook.refused",
        "hook.replayed",
        "hook.secret_renewed",
        "hook.source_made",
        "hook.source_removed",
        "host_run.claimed",
        "host_run.adopted",
        "host_run.failed",
        "host_run.unreachable",
        "host_run.unknown",
        "environment.created",
        "environment.moved",
        "environment.removed",
        "environment.opened",
        "environment.protected",
        "everyone.changed",
        "endpoint.ends_soon",
        "endpoint.extended",
        "endpoint.gone",
        "endpoint.made",
        "endpoint.taken_away",
        "endpoints.offered",
        "endpoints.withdrawn",
        "factor.added",
        "factor.code_used",
        "factor.codes_renewed",
        "factor.removed",
        "factor.taken",
        "fence.raised",
        "freeze.made",
        "freeze.lifted",
        "grant.given",
        "grant.taken",
        "heartbeat.made",
        "heartbeat.revoked",
        "host.asked",
        "host.added",
        "host.changed",
        "host.converged",
        "host.drained",
        "host.drifted",
        "host.folder_named",
        "host.followed",
        "host.key_accepted",
        "host.key_distrusted",
        "host.key_refused",
        "host.labelled",
        "host.moved",
        "host.noted",
        "host.observed",
        "host.quarantined",
        "host.taken_back",
        "host.taken_up",
        "host.removed",
        "host.roles_changed",
        "key.created",
        "lock.acquired",
        "lock.answered",
        "lock.asked",
        "lock.closed_to_machines",
        "lock.declined",
        "lock.expired",
        "lock.extended",
        "lock.free",
        "lock.handed_over",
        "lock.left_line",
        "lock.offer_lapsed",
        "lock.offered",
        "lock.overridden",
        "lock.released",
        "lock.reminded",
        "lock.rolled_back_over",
        "lock.taken_over",
        "lock.waits",
        "key.uploaded",
        "token.created",
        "token.revoked",
        "permission.refused",
        "person.changed_password",
        "person.disabled",
        "person.enabled",
        "person.email_changed",
        "person.invited",
        "person.link_asked",
        "person.link_mailed",
        "person.joined",
        "person.link_made",
        "person.renamed",
        "person.role_changed",
        "person.added",
        "person.came",
        "person.role_by_group",
        "person.role_kept",
        "passwords.changed",
        "provider.added",
        "provider.changed",
        "provider.linked",
        "provider.mapped",
        "provider.removed",
        "provider.unlinked",
        "provider.unmapped",
        "reservation.booked",
        "reservation.cancelled",
        "reservation.moved",
        "reservation.near",
        "reservation.soon",
        "reservation.unused",
        "region.changed",
        "region.created",
        "region.removed",
        "secrets.resealed",
        "setup.applied",
        "signer.failed",
        "signer.recovered",
        "signer.removed",
        "signer.set",
        "signin.barred",
        "signin.refused",
        "signin.opened",
        "signin_link.created",
        "secret_store.added",
        "secret_store.changed",
        "secret_store.removed",
        "source.accepted",
        "source.added",
        "source.changed",
        "source.failed",
        "source.kept",
        "source.recovered",
        "source.refreshed",
        "source.removed",
        "target.added",
        "target.approvals_changed",
        "target.changed",
        "target.imported",
        "target.left",
        "target.policy_changed",
        "target.taken_over",
        "target.taken_up",
        "tasks.changed",
        "team.joined",
        "team.joined_by_group",
        "team.left",
        "team.left_by_group",
        "team.made",
        "team.removed",
        "team.renamed",
        "windows.changed",
        "worker.deaf",
        "worker.hears",
        "zone.created",
        "zone.removed",
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

    `actor` is a user name, or empty for the Deployer itself; `facts` are plain JSON values without secrets; a
    fact `host` is the name of the host that it is about, `to` the user names of those who are to hear of it.
    Where it came from is `notifications.origin`'s to know.
    """
    if kind not in KINDS:
        raise UndeclaredKind(f"{kind!r} is no declared kind of event; add it to notifications.events.KINDS.")
    origin = current()
    event = Event.objects.create(
        kind=kind,
        actor=actor,
        application=application,
        environment=environment,
        deploy=deploy,
        door=origin.door,
        address=origin.address,
        host=str(facts.get("host", ""))[:63],
        facts=facts,
    )
    messages.deliver(event)
    metrics.count("events", kind=kind)
    graphite.mark(event)
    delivering.announce(event)
    transaction.on_commit(lambda: live.changed(*topics_of(event)))
    return event


def topics_of(event: Event) -> list[str]:
    """What pages may watch to hear of it: every event, those of its kind, and those of what it is about."""
    topics = ["event", f"event/{event.kind}"]
    if event.kind.startswith(("lock.", "reservation.", "freeze.", "windows.")):
        topics.append("locks")  # what bars an environment, or everything, shows on many pages
    if event.application:
        topics.append(f"application/{event.application}")
    if event.application and event.environment:
        topics.append(f"target/{event.application}/{event.environment}")
        if isinstance(event.facts.get("endpoint"), str):
            topics.append(f"target/{event.application}/{event.environment}/{event.facts['endpoint']}")
    if event.deploy is not None:
        topics.append(f"deploy/{event.deploy}")
    if isinstance(event.facts.get("host"), str):
        topics.append(f"host/{event.facts['host']}")
    return topics
