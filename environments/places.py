"""Environments in their order, and the regions and zones that hosts stand in.

Errors:

    PlaceError
    ├── WrongName    this can be no name
    ├── NameTaken    there is one of that name
    └── InUse        something stands in it, or goes by way of it
"""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError

from environments import access, rights
from environments.models import Environment, Host, Region, User, Zone
from environments.validation import validate_name, validate_user
from notifications import events


class PlaceError(Exception):
    """`str()` is the sentence for every door."""


class WrongName(PlaceError):
    pass


class NameTaken(PlaceError):
    pass


class InUse(PlaceError):
    pass


def add_environment(name: str, *, by: User | None) -> Environment:
    """A new one, the last in the order. Raises NotAllowed, WrongName, NameTaken."""
    access.require(by, access.ADMINISTER)
    _check(name)
    try:
        with transaction.atomic():
            last = Environment.objects.aggregate(last=Max("position"))["last"]
            made = Environment.objects.create(name=name, position=0 if last is None else last + 1)
            events.record("environment.created", _by(by), environment=name, name=name)
            return made
    except IntegrityError:
        raise NameTaken(f"There is an environment called {name} already. Nothing was added.") from None


def move_environment(environment: Environment, *, by: User | None, up: bool) -> None:
    """One place towards the first, or towards the last; at an end nothing changes. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        rows = list(Environment.objects.select_for_update(no_key=True).order_by("position", "name"))
        at = rows.index(environment)
        to = at - 1 if up else at + 1
        if not 0 <= to < len(rows):
            return
        rows[at], rows[to] = rows[to], rows[at]
        for position, row in enumerate(rows):  # all: rows of before may share a position
            Environment.objects.filter(pk=row.pk).exclude(position=position).update(position=position)
        order = ", ".join(row.name for row in rows)
        events.record("environment.moved", _by(by), environment=environment.name, order=order)


def order_environments(names: Sequence[str], *, by: User | None) -> bool:
    """These come in this order, in the places that they have together; whether something changed.

    Raises NotAllowed.
    """
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        rows = list(Environment.objects.select_for_update(no_key=True).order_by("position", "name"))
        named = {row.name: row for row in rows}
        wanted = iter([named[name] for name in names if name in named])
        ordered = [next(wanted) if row.name in names else row for row in rows]
        if ordered == rows:
            return False
        for position, row in enumerate(ordered):
            Environment.objects.filter(pk=row.pk).exclude(position=position).update(position=position)
        order = ", ".join(row.name for row in ordered)
        events.record("environment.moved", _by(by), environment=names[0], order=order)
    return True


def protect_environment(environment: Environment, *, by: User | None, protected: bool) -> None:
    """Whether what everyone may ends here. Doing it twice is harmless. Raises NotAllowed."""
    access.require(by, access.ADMINISTER, environment=environment)
    with transaction.atomic():
        rows = Environment.objects.filter(pk=environment.pk, protected=not protected)
        if not rows.update(protected=protected):
            return
        kind = "environment.protected" if protected else "environment.opened"
        events.record(kind, _by(by), environment=environment.name, name=environment.name)
    rights.forget()


def remove_environment(environment: Environment, *, by: User | None) -> None:
    """Only one without targets and hosts. Raises NotAllowed, InUse."""
    access.require(by, access.ADMINISTER)
    name = environment.name
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=environment.pk)
        hosts = environment.memberships.count()
        targets = environment.targets.count()
        sources = environment.sources.count()
        if hosts or targets or sources:
            told = f"{_count(targets, 'target')}" + (f", {_count(sources, 'host source')}" if sources else "")
            raise InUse(f"{name} has {told} and {_count(hosts, 'host')}. Remove those first; nothing was removed.")
        environment.delete()
        events.record("environment.removed", _by(by), environment=name, name=name)


def add_region(name: str, *, by: User | None) -> Region:
    """Raises NotAllowed, WrongName, NameTaken."""
    access.require(by, access.ADMINISTER)
    _check(name)
    try:
        with transaction.atomic():
            made = Region.objects.create(name=name)
            events.record("region.created", _by(by), name=name)
            return made
    except IntegrityError:
        raise NameTaken(f"There is a region called {name} already. Nothing was added.") from None


def change_region(region: Region, *, queue: str, gateway: str, gateway_user: str, by: User | None) -> None:
    """Which workers serve it, and by way of which host it is reached; empty: any, and directly.

    Raises NotAllowed, WrongName.
    """
    access.require(by, access.ADMINISTER)
    if queue:
        _check(queue)
    host = Host.objects.filter(name=gateway).first() if gateway else None
    if gateway and host is None:
        raise WrongName(f"There is no host called {gateway!r} to go by way of. Nothing was changed.")
    try:
        validate_user(gateway_user)
    except ValidationError as error:
        raise WrongName(f"{error.messages[0]} Nothing was changed.") from None
    with transaction.atomic():
        Region.objects.filter(pk=region.pk).update(queue=queue, gateway=host, gateway_user=gateway_user)
        events.record("region.changed", _by(by), name=region.name, queue=queue, gateway=gateway)


def remove_region(region: Region, *, by: User | None) -> None:
    """Only one without zones. Raises NotAllowed, InUse."""
    access.require(by, access.ADMINISTER)
    name = region.name
    try:
        with transaction.atomic():
            region.delete()
            events.record("region.removed", _by(by), name=name)
    except ProtectedError:
        raise InUse(f"{name} still has zones. Remove those first; nothing was removed.") from None


def add_zone(region: Region, name: str, *, by: User | None) -> Zone:
    """Raises NotAllowed, WrongName, NameTaken."""
    access.require(by, access.ADMINISTER)
    _check(name)
    try:
        with transaction.atomic():
            made = Zone.objects.create(region=region, name=name)
            events.record("zone.created", _by(by), name=f"{region.name}/{name}")
            return made
    except IntegrityError:
        raise NameTaken(f"{region.name} has a zone called {name} already. Nothing was added.") from None


def remove_zone(zone: Zone, *, by: User | None) -> None:
    """Only one without hosts. Raises NotAllowed, InUse."""
    access.require(by, access.ADMINISTER)
    name = f"{zone.region.name}/{zone.name}"
    try:
        with transaction.atomic():
            zone.delete()
            events.record("zone.removed", _by(by), name=name)
    except ProtectedError:
        raise InUse(f"Hosts stand in {name}. Move them first; nothing was removed.") from None


def place_host(host: Host, zone: Zone | None, *, by: User | None) -> None:
    """Say where a host stands. Raises NotAllowed."""
    access.require(by, access.ADMINISTER)
    with transaction.atomic():
        Host.objects.filter(pk=host.pk).update(zone=zone)
        where = f"{zone.region.name}/{zone.name}" if zone else "no zone"
        events.record("host.moved", _by(by), host=host.name, place=where)


def _check(name: str) -> None:
    try:
        validate_name(name)
    except ValidationError as error:
        raise WrongName(f"{name[:80]!r} can be no name. {error.messages[0]} Nothing was changed.") from None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _by(person: User | None) -> str:
    return person.username if person else ""
