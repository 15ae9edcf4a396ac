"""The end of an endpoint: extended, told of, begun, and written down once nothing is left on hosts."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from environments import access
from environments.endpoints.errors import EndpointGone, NoOffer
from environments.endpoints.making import existing, offer_of, record
from environments.locks.words import tell_end
from environments.models import ConfigurationValue, Endpoint, User

REMIND = timedelta(hours=4)
AGAIN = timedelta(hours=1)  # one that could not be taken away is tried again after that


def extend(endpoint: Endpoint, *, by: User | None) -> datetime:
    """It lives as long from now on as a new one would. Raises NotAllowed, NoOffer, EndpointGone."""
    access.require(by, access.DEPLOY, endpoint.target)
    parent = endpoint.target.parent
    assert parent is not None
    try:
        offer = offer_of(parent)
    except NoOffer as no_more:
        raise NoOffer(
            f"{endpoint.target.slug} cannot be kept: {no_more} It ends {tell_end(endpoint.until)}. Nothing was changed."
        ) from None
    until = timezone.now() + timedelta(hours=offer.hours)
    with transaction.atomic():
        rows = Endpoint.objects.filter(pk=endpoint.pk, gone_at=None, ending_at=None)
        if not rows.update(until=until, reminded_at=None):
            raise EndpointGone(f"{endpoint.target.slug} is taken away already; make it again. Nothing was changed.")
        endpoint.until = until
        record("endpoint.extended", endpoint, by=by)
    return until


def begin_ending(endpoint: Endpoint) -> bool:
    """In the caller's transaction: from now on nothing is deployed to it. Whether it was there."""
    return bool(Endpoint.objects.filter(pk=endpoint.pk, gone_at=None).update(ending_at=timezone.now()))


def write_gone(endpoint: Endpoint) -> None:
    """Nothing is left of it on hosts: its port, address and name are free. In the caller's transaction."""
    if Endpoint.objects.filter(pk=endpoint.pk, gone_at=None).update(gone_at=timezone.now()):
        ConfigurationValue.objects.filter(target=endpoint.target_id).delete()
        record("endpoint.gone", endpoint, by=None)


def due() -> list[Endpoint]:
    """Those whose time is over; one that is being taken away comes again after a while."""
    now = timezone.now()
    found = existing().filter(until__lte=now)
    return [one for one in found if one.ending_at is None or one.ending_at <= now - AGAIN]


def remind() -> None:
    """Who made it hears before its end, once."""
    now = timezone.now()
    for endpoint in existing().filter(until__lte=now + REMIND, until__gt=now, reminded_at=None, ending_at=None):
        if endpoint.until - now > (endpoint.until - endpoint.made_at) / 4:
            continue  # of one that lives for some hours only, the last quarter
        with transaction.atomic():
            if Endpoint.objects.filter(pk=endpoint.pk, reminded_at=None).update(reminded_at=now):
                to = [endpoint.by.username] if endpoint.by else []
                record("endpoint.ends_soon", endpoint, by=None, to=to)
