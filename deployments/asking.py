"""A person wants to know now what hosts really run."""

from django.db import transaction

from deployments import drift, observations
from deployments.models import Standing
from environments import access, on_hosts
from environments.models import Environment, Host, Target, User
from notifications import events


def ask_host(host: Host, *, by: User | None) -> str:
    """Ask one host about all its targets, and wait for what it says; that in a sentence. Raises NotAllowed."""
    on_hosts.require(by, access.DEPLOY, host)
    if host.observed:
        return observations.tell(observations.probe(host, by=by))
    rows = Target.objects.filter(environment__memberships__host=host, standing__live__isnull=False, left_at=None)
    targets = list(rows.select_related("standing__live__release", "application", "environment").distinct())
    if not targets:
        return f"Nothing is live on {host.name}'s environments yet, so there is nothing to ask it."
    found = drift.look(targets, only={host.pk})
    answered = [target for target in targets if found[target.pk]]
    for target in answered:
        drift.write(target, found[target.pk])
    told = f"{host.name} did not answer."
    if answered:
        told = f"{host.name} answered for {len(answered)} target{'' if len(answered) == 1 else 's'}."
    events.record("host.asked", by.username if by else "", host=host.name, told=told)
    return told


def ask_environment(environment: Environment, *, by: User | None) -> str:
    """Have workers ask the hosts of an environment within seconds; a sentence. Raises NotAllowed."""
    access.require(by, access.DEPLOY, environment=environment)
    watched = Standing.objects.filter(
        target__environment=environment,
        target__drift_minutes__gt=0,
        target__left_at=None,
        target__runner=None,
        live__isnull=False,
    )
    with transaction.atomic():
        number = watched.update(looked_at=None)
        if number:
            told = f"{number} target{'' if number == 1 else 's'}."
            events.record("host.asked", by.username if by else "", environment=environment.name, told=told)
    if not number:
        return f"No target of {environment.name} is asked: nothing is live there yet, or asking is switched off."
    return f"Workers ask the hosts of {number} target{'' if number == 1 else 's'} now; answers appear here."
