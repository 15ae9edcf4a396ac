"""Regions with their zones, hosts, and by way of which host a region is reached."""

from deployments.written import fields
from deployments.written.section import Entry, Section
from environments import adding_hosts, host_keys, host_notes, observing, places
from environments.host_lines import Place
from environments.models import Host, HostKey, Region, User, Zone
from environments.operator import operator


class Regions(Section):
    name = "regions"
    models = (Region, Zone)
    fields = {"queue": fields.text(), "zones": fields.texts()}

    def now(self) -> dict[str, Entry]:
        rows = Region.objects.prefetch_related("zones").order_by("name")
        return {row.name: {"queue": row.queue, "zones": sorted(zone.name for zone in row.zones.all())} for row in rows}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        row = places.add_region(key, by=by) if before is None else Region.objects.get(name=key)
        if entry["queue"] != row.queue:
            gateway = row.gateway.name if row.gateway else ""
            places.change_region(row, queue=entry["queue"], gateway=gateway, gateway_user=row.gateway_user, by=by)
        there = {zone.name: zone for zone in row.zones.all()}
        for name in entry["zones"]:
            if name not in there:
                places.add_zone(row, name, by=by)
        for name, zone in there.items():
            if name not in entry["zones"]:
                places.remove_zone(zone, by=by)

    def remove(self, key: str, by: User | None) -> None:
        row = Region.objects.get(name=key)
        for zone in row.zones.all():
            places.remove_zone(zone, by=by)
        places.remove_region(row, by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        found = super().complete(entry, before)
        return found | {"zones": sorted(found["zones"])}


class Hosts(Section):
    """A host is forgotten when it is taken out of its last environment; a file alone forgets none."""

    name = "hosts"
    models = (Host, HostKey)
    fields = {
        "address": fields.text(required=True),
        "port": fields.number(1, 65535, 22),
        "user": fields.text(),
        "zone": fields.text(),
        "keys": fields.texts(),
        "note": fields.text(),
        "observed": fields.truth(),
        "observed_root": fields.text(),
        "found_by": fields.text(),
    }

    def now(self) -> dict[str, Entry]:
        rows = Host.objects.select_related("zone__region").prefetch_related("keys").order_by("name")
        return {row.name: self._entry(row) for row in rows}

    def _entry(self, row: Host) -> Entry:
        zone = f"{row.zone.region.name}/{row.zone.name}" if row.zone else ""
        keys = sorted(f"{key.algorithm} {key.key}" for key in row.keys.all())
        return {
            "address": row.address,
            "port": row.port,
            "user": row.user,
            "zone": zone,
            "keys": keys,
            "note": row.note,
            "observed": row.observed,
            "observed_root": row.observed_root if row.observed else "",
            "found_by": row.found_by,
        }

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        place = Place(entry["user"], entry["address"], entry["port"])
        if before is None:
            observe, root = entry["observed"], entry["observed_root"]
            host = adding_hosts.add_host(key, place, observe=observe, root=root, by=by)
            as_added = {name: entry[name] for name in ("address", "port", "user")}
            before = {"zone": "", "keys": [], "note": "", "found_by": ""} | as_added
        else:
            host = Host.objects.get(name=key)
            self._observe(host, entry, by)
        if any(entry[name] != before[name] for name in ("address", "port", "user")):
            adding_hosts.change_host(host, place, by=by)
        if entry["zone"] != before["zone"]:
            places.place_host(host, _find_zone(entry["zone"]), by=by)
        if entry["keys"] != before["keys"]:
            self._trust(host, entry["keys"], by)
        if entry["note"] != before["note"]:
            host_notes.write(host, entry["note"], by=by)
        if entry["found_by"] != before["found_by"]:
            adding_hosts.credit(host, entry["found_by"], by=by)

    def _observe(self, host: Host, entry: Entry, by: User | None) -> None:
        if host.observed and not entry["observed"]:
            observing.take_up(host, by=by)
        elif entry["observed"] and not host.observed:
            raise observing.NotObserved(
                f"Deploys go to {host.name}, so it cannot be only observed. Nothing was changed."
            )
        elif host.observed and entry["observed_root"] != host.observed_root:
            observing.look_in(host, entry["observed_root"], by=by)

    def _trust(self, host: Host, wanted: list[str], by: User | None) -> None:
        for row in HostKey.objects.filter(host=host):
            if f"{row.algorithm} {row.key}" not in wanted:
                host_keys.distrust(row, by=by.username if by else operator())
        adding_hosts.trust(host, fields.host_keys(wanted), by=by)

    def complete(self, entry: Entry, before: Entry | None) -> Entry:
        found = fields.sort_keys(super().complete(entry, before))
        return found if found["observed"] else found | {"observed_root": ""}


class Gateways(Section):
    """By way of which host a region is reached."""

    name = "gateways"
    fields = {"host": fields.text(required=True), "user": fields.text()}

    def now(self) -> dict[str, Entry]:
        rows = Region.objects.exclude(gateway=None).select_related("gateway").order_by("name")
        return {row.name: {"host": row.gateway.name, "user": row.gateway_user} for row in rows if row.gateway}

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        row = _find_region(key)
        places.change_region(row, queue=row.queue, gateway=entry["host"], gateway_user=entry["user"], by=by)

    def remove(self, key: str, by: User | None) -> None:
        row = _find_region(key)
        places.change_region(row, queue=row.queue, gateway="", gateway_user="", by=by)


def _find_region(name: str) -> Region:
    found = Region.objects.filter(name=name).first()
    if found is None:
        raise places.WrongName(f"There is no region {name}. Nothing was changed.")
    return found


def _find_zone(name: str) -> Zone | None:
    region, _, zone = name.partition("/")
    found = Zone.objects.filter(region__name=region, name=zone).first() if name else None
    if name and found is None:
        raise places.WrongName(f"There is no zone {name}; write it as region/zone. Nothing was changed.")
    return found
