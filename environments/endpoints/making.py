"""Making an endpoint in the database: its target, name, address and port. What is on hosts a deploy brings."""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from environments import access
from environments.endpoints.errors import EndpointTaken, NoOffer, NoPortLeft, TooMany
from environments.endpoints.names import FOLDER, address_of, check_name, name_of, room_for
from environments.endpoints.offering import lock_offers
from environments.locks.words import tell_end
from environments.models import Endpoint, EndpointOffer, Target, User
from environments.validation import validate_root
from notifications import events

# What an endpoint's own row says as its target's does; its steps are read from there at each deploy.
_AS_PARENT = (
    *("user", "path_prepend", "shell", "umask", "linked_dirs", "linked_files", "needed", "needed_per_region"),
    *("on_failure", "catch_up", "drift_minutes", "configuration_env", "configuration_json", "configuration_files"),
)
KEEP = 2


def offer_of(parent: Target) -> EndpointOffer:
    """What its environment offers. Raises NoOffer."""
    offer = EndpointOffer.objects.filter(environment=parent.environment_id).first()
    if offer is None:
        raise NoOffer(f"{parent.environment.name} offers no endpoints. An administrator may set that up.")
    check_parent(parent)
    return offer


def check_parent(parent: Target) -> None:
    """Raises NoOffer."""
    if parent.name:
        raise NoOffer(f"{parent.slug} is an endpoint itself. Make one of {parent.application.name} instead.")
    if parent.command:
        raise NoOffer(f"{parent.slug} deploys by a command on a runner, so it can have no endpoints.")
    if parent.left_at is not None:
        raise NoOffer(f"The hosts of {parent.slug} were left to another tool, so it can have no endpoints.")


def existing() -> QuerySet[Endpoint]:
    """Those that are there, or are being taken away."""
    related = ("target__application", "target__environment", "target__parent", "environment", "by")
    return Endpoint.objects.filter(gone_at=None).select_related(*related)


def make(parent: Target, branch: str, *, by: User | None, name: str = "", hours: int | None = None) -> Endpoint:
    """In the caller's transaction. Without a name it gets one from its branch.

    Raises NotAllowed, NoOffer, WrongName, EndpointTaken, TooMany, NoPortLeft.
    """
    access.require(by, access.DEPLOY, parent)
    check_parent(parent)
    # one makes after the other: names, numbers and ports are counted
    offer = lock_offers().get(parent.environment_id)
    if offer is None:
        raise NoOffer(f"{parent.environment.name} offers no endpoints. An administrator may set that up.")
    _check_limits(offer, by)
    chosen = name or _choose_name(parent, branch, offer)
    check_name(chosen, offer.address, parent.application.name)
    port = _free_port(offer)
    address = address_of(offer.address, parent.application.name, chosen, port)
    _refuse_taken(parent, chosen, address)
    return _write(parent, chosen, offer, hours, branch=branch, address=address, port=port, by=by)


def _write(
    parent: Target, name: str, offer: EndpointOffer, hours: int | None, *, by: User | None, **facts: Any
) -> Endpoint:
    target = _target(parent, name, offer)
    now = timezone.now()
    facts |= {
        "environment": parent.environment,
        "by": by,
        "by_name": by.full_name if by else "the Deployer",
        "made_at": now,
        "until": now + timedelta(hours=min(hours or offer.hours, offer.hours)),
        **dict.fromkeys(("reminded_at", "ending_at", "gone_at")),
    }
    made, _ = Endpoint.objects.update_or_create(target=target, defaults=facts)
    record("endpoint.made", made, by=by)
    return made


def _target(parent: Target, name: str, offer: EndpointOffer) -> Target:
    """A row of its own; that of one that is gone is taken up again, with its history."""
    fields = {field: getattr(parent, field) for field in _AS_PARENT}
    root = f"{parent.root}/{FOLDER}/{name}"
    validate_root(root)
    # a role of the offer names hosts of its own; otherwise those that the parent has chosen
    fields |= {"role": offer.role or parent.role, "labels": [] if offer.role else parent.labels}
    fields |= {"root": root, "keep": KEEP, "parent": parent, "left_at": None}
    place: dict[str, Any] = {"application": parent.application, "environment": parent.environment, "name": name}
    target, _ = Target.objects.update_or_create(**place, defaults=fields)
    return target


def _choose_name(parent: Target, branch: str, offer: EndpointOffer) -> str:
    room = room_for(offer.address, parent.application.name)
    plain = name_of(branch, room)
    there = Endpoint.objects.filter(gone_at=None, target__parent=parent, target__name=plain)
    return name_of(branch, room, marked=True) if there.exclude(branch=branch).exists() else plain


def _check_limits(offer: EndpointOffer, by: User | None) -> None:
    there = Endpoint.objects.filter(gone_at=None, environment=offer.environment_id)
    if there.count() >= offer.most:
        raise TooMany(
            f"{offer.environment.name} has {offer.most} endpoints, as many as it may. Take one away first, or ask an "
            "administrator for more. Nothing was made."
        )
    if by is not None and offer.most_each and there.filter(by=by).count() >= offer.most_each:
        raise TooMany(
            f"You have {offer.most_each} endpoints in {offer.environment.name}, as many as one person may. Take one "
            "away first. Nothing was made."
        )


def _free_port(offer: EndpointOffer) -> int | None:
    """The lowest that nobody has; in a transaction that holds the offers."""
    if offer.first_port is None or offer.last_port is None:
        return None
    ports = (offer.first_port, offer.last_port)
    taken = set(Endpoint.objects.filter(gone_at=None, port__range=ports).values_list("port", flat=True))
    for port in range(ports[0], ports[1] + 1):
        if port not in taken:
            return port
    raise NoPortLeft(
        f"All {len(taken)} ports of {offer.environment.name} are given out. Take an endpoint away first, or ask an "
        "administrator for more ports. Nothing was made."
    )


def _refuse_taken(parent: Target, name: str, address: str) -> None:
    same = Q(address=address) | Q(target__parent=parent, target__name=name)
    there = existing().filter(same).first()
    if there is None:
        return
    state = "is being taken away" if there.ending_at else f"serves {there.branch} at {there.address}"
    raise EndpointTaken(f"There is an endpoint {there.target.slug}: it {state}. Nothing was made.")


def record(kind: str, endpoint: Endpoint, *, by: User | None, **facts: Any) -> None:
    target = endpoint.target
    events.record(
        kind,
        by.username if by else "",
        application=target.application.name,
        environment=target.environment.name,
        endpoint=target.name,
        branch=endpoint.branch,
        address=endpoint.address,
        until=endpoint.until.isoformat(),
        end=tell_end(endpoint.until),
        **facts,
    )
