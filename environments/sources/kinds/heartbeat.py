"""Machines that say themselves that they are there: whoever was heard lately is named, whoever is silent no more."""

from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone

from environments.models import Heartbeat
from environments.sources import inventories
from environments.sources.listing import Asked, Field, Found, Listing, Told, Wrong

WAITS = False
USUAL_MINUTES, MOST_MINUTES = 10, 10_080
TOLD = Told(
    "heartbeat",
    "Heartbeats",
    "Each machine says itself that it is there, with a token of its own. One that falls silent leaves after a while.",
    (
        Field(
            "silent_minutes",
            "Silent after, in minutes",
            f"A machine that was not heard for so long is named no more. Empty: {USUAL_MINUTES}.",
            required=False,
            placeholder=f"{USUAL_MINUTES}",
        ),
        Field("roles", "Their roles", "Of every machine that is heard by it; commas between them.", required=False),
    ),
)


def check(asked: Asked) -> Mapping[str, str]:
    text = asked.settings.get("silent_minutes", "") or f"{USUAL_MINUTES}"
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_MINUTES):
        return {"silent_minutes": f"A machine is silent after 1 to {MOST_MINUTES} minutes, as a whole number."}
    try:
        inventories.read_roles(asked.settings.get("roles", ""))
    except ValueError as error:
        return {"roles": str(error)}
    return {}


def silent_after(settings: Mapping[str, str]) -> timedelta:
    """How long a machine may be silent."""
    return timedelta(minutes=int(settings.get("silent_minutes", "") or USUAL_MINUTES))


def read(asked: Asked) -> Listing:
    """A source that is not saved yet has no machines."""
    since = timezone.now() - silent_after(asked.settings)
    roles = inventories.read_roles(asked.settings.get("roles", ""))
    hosts, wrong = list[Found](), list[Wrong]()
    for row in Heartbeat.objects.filter(source=asked.source, heard_at__gte=since).order_by("name"):
        try:
            hosts.append(_found(row, roles))
        except ValueError as error:  # an earlier version let in what this one does not
            wrong.append(Wrong(row.name, str(error)))
    return Listing(tuple(hosts), tuple(wrong))


def _found(row: Heartbeat, roles: tuple[str, ...]) -> Found:
    labels, keys = inventories.read_labels(row.labels), inventories.read_keys(row.host_keys)
    place = (row.name, row.address, row.port, row.user, row.name)
    return Found(*place, roles=roles, labels=labels, host_keys=keys)
