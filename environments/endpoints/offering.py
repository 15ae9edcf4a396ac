"""That an environment has endpoints: on which terms, and that it has none any more."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.endpoints.errors import WrongOffer
from environments.endpoints.names import check_template
from environments.models import Endpoint, EndpointOffer, Environment, User
from notifications import events

FIELDS = ("address", "role", "first_port", "last_port", "most", "most_each", "hours")


def set_offer(environment: Environment, *, by: User | None, **terms: Any) -> EndpointOffer:
    """What is not among `terms` stays as it is, or is as usual. What exists already keeps its port, address and end.

    Raises NotAllowed, WrongOffer.
    """
    access.require(by, access.ADMINISTER, environment=environment)
    with transaction.atomic():
        offers = lock_offers()
        offer = offers.get(environment.pk) or EndpointOffer(environment=environment)
        before = facts_of(offer) if offer.pk else None
        for name, value in terms.items():
            setattr(offer, name, value)
        _check(offer, (other for other in offers.values() if other.pk != offer.pk))
        offer.save()
        if facts_of(offer) != before:
            _record("endpoints.offered", environment, by, **facts_of(offer))
    return offer


def withdraw_offer(environment: Environment, *, by: User | None) -> bool:
    """No more are made; those that exist live to their end. Whether there was an offer. Raises NotAllowed."""
    access.require(by, access.ADMINISTER, environment=environment)
    with transaction.atomic():
        deleted, _ = EndpointOffer.objects.filter(environment=environment).delete()
        if deleted:
            _record("endpoints.withdrawn", environment, by)
    return bool(deleted)


def lock_offers() -> dict[int, EndpointOffer]:
    """All of them by environment, held to the end of the transaction: ports are given out one after the other."""
    rows = EndpointOffer.objects.select_for_update().order_by("pk")
    return {row.environment_id: row for row in rows}


def facts_of(offer: EndpointOffer) -> dict[str, Any]:
    return {name: getattr(offer, name) for name in FIELDS}


def _check(offer: EndpointOffer, others: Iterable[EndpointOffer]) -> None:
    if (offer.first_port is None) != (offer.last_port is None) or (
        offer.first_port is not None and offer.last_port is not None and offer.last_port < offer.first_port
    ):
        raise WrongOffer("Ports go from a first to a last one that is not below it. Nothing was changed.")
    check_template(offer.address, ports=offer.first_port is not None)
    try:
        offer.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        name, texts = next(iter(error.message_dict.items()))
        raise WrongOffer(f"{name}: {texts[0]} Nothing was changed.") from None
    for other in others:
        if offer.first_port is not None and _overlap(offer, other):
            raise WrongOffer(
                f"{other.environment.name} gives out ports {other.first_port} to {other.last_port}, and a host may "
                "stand in both. Choose others. Nothing was changed."
            )
    taken = Endpoint.objects.filter(gone_at=None).exclude(environment=offer.environment)
    if taken.filter(port__range=(offer.first_port or 0, offer.last_port or 0)).exists():
        raise WrongOffer("An endpoint of another environment has one of these ports. Nothing was changed.")


def _overlap(one: EndpointOffer, other: EndpointOffer) -> bool:
    if other.first_port is None or other.last_port is None or one.first_port is None or one.last_port is None:
        return False
    return one.first_port <= other.last_port and other.first_port <= one.last_port


def _record(kind: str, environment: Environment, by: User | None, **facts: Any) -> None:
    events.record(kind, by.username if by else "", environment=environment.name, **facts)
