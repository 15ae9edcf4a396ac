"""From what a source says to rows: what is known of it, which hosts its words mean, and the writing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import adding_hosts, host_keys, host_lines, ssh
from environments.host_lines import Place
from environments.models import GivenHost, Host, HostKey, HostSource, Membership, Region, Zone
from environments.sources.comparing import Change, Difference, Known
from environments.sources.listing import Found, Wrong
from notifications import events

CHUNK = 500  # SQLite takes so many values in one statement, and more


@dataclass(frozen=True)
class Meant:
    """What a word of the source means: a host that is there, or a new one of this name."""

    found: Found
    name: str
    host: int | None = None


def known_to(source: HostSource) -> list[Known]:
    """The hosts that it has named. Three queries."""
    given = list(source.given.select_related("host__zone__region").order_by("host__name"))
    hosts = [row.host_id for row in given]
    members: dict[int, Membership] = {}
    keys: dict[int, set[str]] = {}
    for part in _chunks(hosts):
        members |= {row.host_id: row for row in source.environment.memberships.filter(host__in=part)}
        for host, key in HostKey.objects.filter(host__in=part).values_list("host_id", "key"):
            keys.setdefault(host, set()).add(key)
    return [_known(source, row, members.get(row.host_id), keys.get(row.host_id, set())) for row in given]


def _known(source: HostSource, row: GivenHost, member: Membership | None, keys: set[str]) -> Known:
    host = row.host
    own = member is not None and member.source == source.name
    made = host.found_by == source.name
    zone = f"{host.zone.region.name}/{host.zone.name}" if host.zone else ""
    return Known(
        key=row.key,
        host=host.pk,
        name=host.name,
        address=host.address,
        port=host.port,
        own=made,
        user=host.user if made else None,
        roles=tuple(member.roles) if own and member else None,
        labels=tuple(sorted(member.labels.items())) if own and member else None,
        zone=zone if made else None,
        host_keys=frozenset(keys),
    )


def with_usual(source: HostSource, found: Iterable[Found]) -> list[Found]:
    """With what the source says of all its hosts, where one says nothing of itself."""
    via = host_lines.read(source.via, user=source.user)[0].place if source.via else None
    zone = f"{source.zone.region.name}/{source.zone.name}" if source.zone else ""
    return [_with(one, source.user, one.via or via, zone) for one in found]


def _with(one: Found, user: str, via: Place | None, zone: str) -> Found:
    """A bastion has a region of its own, so that a host behind one stands nowhere else."""
    return replace(one, user=one.user or user, via=via, zone=one.zone or ("" if via else zone))


def find_meant(source: HostSource, difference: Difference) -> tuple[list[Meant], list[Wrong]]:
    """Which hosts the new ones are, by address and port, and what the others will be called."""
    new = difference.new
    if not new:
        return [], []
    at: dict[tuple[str, int], tuple[int, str]] = {}
    for part in _chunks([one.address for one in new]):
        rows = Host.objects.filter(address__in=part).values_list("address", "port", "pk", "name")
        at |= {(address, port): (pk, name) for address, port, pk, name in rows}
    named = {name: (pk, by) for pk, name, by in Host.objects.values_list("pk", "name", "found_by")}
    used = set(source.given.values_list("host_id", flat=True)) if source.pk else set[int]()
    taken = set(named)
    meant, wrong = list[Meant](), list[Wrong]()
    for one in new:
        there = at.get((one.address, one.port))
        wanted = one.name or _as_name(one.key)
        same, by = named.get(wanted, (0, ""))
        if there is not None and there[0] in used:
            wrong.append(Wrong(one.key, f"{one.place} is {there[1]} still."))
            continue
        if there is not None:
            meant.append(Meant(one, there[1], there[0]))
        elif same and by == source.name and same not in used:
            meant.append(Meant(one, wanted, same))  # it was here before, at another address
        elif one.name and one.name in taken:
            wrong.append(Wrong(one.key, f"There is a host {one.name} already, at another address."))
            continue
        else:
            place = Place(one.user or "x", one.address, one.port)
            meant.append(Meant(one, wanted if wanted and wanted not in taken else host_lines.name_of(place, taken)))
        taken.add(meant[-1].name)
        used.add(meant[-1].host or 0)
    return meant, wrong


def _as_name(key: str) -> str:
    try:
        if not key.replace(".", "").replace(":", "").isdigit():
            Host(name=key).clean_fields(exclude=["address"])
            return key
    except ValidationError:
        pass
    return ""


def follow(source: HostSource, difference: Difference, meant: Sequence[Meant], *, by: str) -> list[Wrong]:
    """Write it, in the caller's transaction; what could not be done is told."""
    zones = _Zones(by)
    wrong = _add(source, meant, zones, by)
    for change in difference.changed:
        wrong += _change(source, change, zones, by)
    remove(source, [known.host for known in difference.gone], by=by)
    return wrong


class _Zones:
    """Zones by `region/zone`, made where there is none."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._known = {f"{zone.region.name}/{zone.name}": zone for zone in Zone.objects.select_related("region")}

    def find(self, place: str) -> Zone | None:
        if not place:
            return None
        if place not in self._known:
            region, _, name = place.partition("/")
            row, made = Region.objects.get_or_create(name=region)
            if made:
                events.record("region.created", self._by, name=region)
            self._known[place] = Zone.objects.create(region=row, name=name)
            events.record("zone.created", self._by, name=place)
        return self._known[place]


def _add(source: HostSource, meant: Sequence[Meant], zones: _Zones, by: str) -> list[Wrong]:
    made = Host.objects.bulk_create([_new(source, one, zones) for one in meant if one.host is None])
    by_name = {host.name: host for host in made}
    there = [one.host for one in meant if one.host is not None]
    for part in _chunks(there):
        by_name |= {host.name: host for host in Host.objects.select_related("zone__region").filter(pk__in=part)}
    here = set(source.environment.memberships.values_list("host_id", flat=True))
    pairs = [(one, by_name[one.name]) for one in meant if one.name in by_name]
    Membership.objects.bulk_create(_membership(source, one.found, host) for one, host in pairs if host.pk not in here)
    GivenHost.objects.bulk_create(GivenHost(source=source, host=host, key=one.found.key) for one, host in pairs)
    wrong = list[Wrong]()
    for one, host in pairs:
        wrong += _correct(source, host, one.found, zones) if one.host is not None else []
        if host.pk not in here:
            place = f"{host.user}@{host.address}:{host.port}"
            where = source.environment.name
            events.record("host.added", by, environment=where, host=host.name, place=place, source=source.name)
        wrong += _lead(host, one.found) + _trust(source, host, one.found)
    return wrong


def _new(source: HostSource, one: Meant, zones: _Zones) -> Host:
    found = one.found
    facts: dict[str, Any] = {"address": found.address, "port": found.port, "user": found.user}
    return Host(name=one.name, zone=zones.find(found.zone), found_by=source.name, **facts)


def _membership(source: HostSource, found: Found, host: Host) -> Membership:
    said = {"roles": list(found.roles), "labels": dict(found.labels)}
    return Membership(environment=source.environment, host=host, source=source.name, **said)


def _change(source: HostSource, change: Change, zones: _Zones, by: str) -> list[Wrong]:
    known, found = change.known, change.found
    host = Host.objects.select_related("zone__region").get(pk=known.host)
    GivenHost.objects.filter(source=source, host=host).update(key=found.key)
    own = Membership.objects.filter(environment=source.environment, host=host, source=source.name)
    own.update(roles=list(found.roles), labels=dict(found.labels))
    wrong = _correct(source, host, found, zones) + _lead(host, found) + _trust(source, host, found)
    if not wrong:
        events.record("host.followed", by, host=host.name, source=source.name, words="; ".join(change.words))
    return wrong


def _correct(source: HostSource, host: Host, found: Found, zones: _Zones) -> list[Wrong]:
    """Where it is, who signs in and where it stands: only of hosts that this source made."""
    if host.found_by != source.name:
        return []
    other = Host.objects.filter(address=found.address, port=found.port).exclude(pk=host.pk).first()
    if other is not None:
        return [Wrong(found.key, f"{found.place} is {other.name} already.")]
    host.address, host.port, host.user = found.address, found.port, found.user or host.user
    host.zone = zones.find(found.zone) or host.zone
    host.save(update_fields=["address", "port", "user", "zone"])
    transaction.on_commit(lambda: ssh.forget(host))
    return []


def _lead(host: Host, found: Found) -> list[Wrong]:
    if found.via is None:
        return []
    try:
        adding_hosts.lead_through(host, found.via, by=None)
    except adding_hosts.HostsError as error:
        return [Wrong(found.key, str(error))]
    return []


def _trust(source: HostSource, host: Host, found: Found) -> list[Wrong]:
    """Keys that a trusted source names. Another key of that kind is never replaced: a person says so."""
    wrong = []
    for key in found.host_keys if source.trusted else ():
        try:
            host_keys.accept(host=host, key=key, by=f"the source {source.name}")
        except host_keys.KeyDiffers as error:
            wrong.append(Wrong(found.key, str(error)))
    return wrong


def remove(source: HostSource, hosts: Sequence[int], *, by: str) -> list[str]:
    """The source names them no more. What another source, or a person, has put here stays. Returns who left."""
    left: list[str] = []
    for part in _chunks(hosts):
        GivenHost.objects.filter(source=source, host__in=part).delete()
        rows = Membership.objects.filter(environment=source.environment, host__in=part, source=source.name)
        for member in list(rows.select_related("host")):
            others = GivenHost.objects.filter(host=member.host, source__environment=source.environment)
            heir = others.select_related("source").order_by("pk").first()
            if heir is not None:
                Membership.objects.filter(pk=member.pk).update(source=heir.source.name)
                continue
            member.delete()
            left.append(member.host.name)
            where = source.environment.name
            place = f"{member.host.user}@{member.host.address}:{member.host.port}"
            facts: dict[str, Any] = {"host": member.host.name, "place": place, "source": source.name}
            events.record("host.removed", by, environment=where, **facts)
    return left


def _chunks(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[at : at + CHUNK] for at in range(0, len(rows), CHUNK))
