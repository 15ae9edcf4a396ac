"""Hosts that take no part in deploys for a while, and why.

Errors:

    AsideError
    ├── AlreadySo      the host is in that state already
    └── NoReason       nobody will know later why
"""

from django.db import transaction
from django.utils import timezone

from environments import access, observing, on_hosts
from environments.models import Aside, Host, User
from notifications import events

LONGEST = 300


class AsideError(Exception):
    """`str()` is the sentence for every door."""


class AlreadySo(AsideError):
    pass


class NoReason(AsideError):
    pass


def set_aside(host: Host, *, how: str, why: str, by: User | None) -> None:
    """From now on deploys leave `host` out; one that has begun there goes on. `how` is one of Aside.

    Raises NotAllowed, NoReason, AlreadySo, OnlyObserved.
    """
    on_hosts.require(by, access.DEPLOY, host)
    observing.refuse(host)
    reason = " ".join(why.split())[:LONGEST]
    if not reason:
        raise NoReason(
            f"Say why {host.name} is to be {Aside(how).label.lower()}: others will ask. Nothing was changed."
        )
    with transaction.atomic():
        fresh = Host.objects.filter(pk=host.pk).exclude(aside=how)
        if not fresh.update(aside=Aside(how), aside_why=reason, aside_by=_name(by), aside_at=timezone.now()):
            raise AlreadySo(f"{host.name} is {how} already. Nothing was changed.")
        events.record(f"host.{Aside(how)}", by.username if by else "", host=host.name, reason=reason)


def take_back(host: Host, *, by: User | None) -> None:
    """Deploys go to `host` again. Raises NotAllowed, AlreadySo, OnlyObserved."""
    on_hosts.require(by, access.DEPLOY, host)
    observing.refuse(host)
    with transaction.atomic():
        fresh = Host.objects.filter(pk=host.pk).exclude(aside="")
        if not fresh.update(aside="", aside_why="", aside_by="", aside_at=None):
            raise AlreadySo(f"{host.name} takes part in deploys already. Nothing was changed.")
        events.record("host.taken_back", by.username if by else "", host=host.name)


def _name(by: User | None) -> str:
    return by.full_name if by else "the Deployer"
