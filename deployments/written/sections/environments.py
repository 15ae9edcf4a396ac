"""Environments in their order, with their hosts and the roles that these have there."""

from typing import Any

from django.db.models import QuerySet

from deployments import marked_values
from deployments.marked_values import items
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field
from deployments.written.section import Entry, Section
from environments import adding_hosts, endpoints, places, windows
from environments.models import EndpointOffer, Environment, Host, HostSource, Membership, Outside, User


def _by_hand() -> QuerySet[Membership]:
    """What a source gave is that source's to say."""
    return Membership.objects.exclude(source__in=HostSource.objects.values("name"))


def _read_hosts(node: Node) -> dict[str, Any]:
    """`web-1: [web, worker]`, or with labels `web-1: {roles: [web], labels: {tier: front}}`."""
    return {name: _read_member(said) for name, said in fields.mapping(node).items()}


def _read_member(node: Node) -> Any:
    if not isinstance(node.value, dict):
        return list(marked_values.names(node))
    said = fields.read_entry(node, _MEMBER)
    return _member(said.get("roles", []), said.get("labels", {}))


def _member(roles: list[str], labels: dict[str, str]) -> Any:
    """A host's place as it is written: its roles alone where it has no labels."""
    return {"roles": roles, "labels": labels} if labels else roles


def _read_labels(node: Node) -> dict[str, str]:
    return {name: marked_values.text(value, "") for name, value in fields.mapping(node).items()}


_MEMBER = {"roles": Field(lambda node: list(marked_values.names(node)), []), "labels": Field(_read_labels, {})}


def _read_windows(node: Node) -> list[dict[str, Any]]:
    """As they are stored."""
    found = []
    for item in items(node):
        said = fields.read_entry(item, _WINDOW)
        try:
            found.append(windows.read_window(said).facts())
        except windows.WindowError as error:
            raise item.problem(str(error).removesuffix(" Nothing was changed.")) from None
    return found


def _read_days(node: Node) -> list[int]:
    return [marked_values.number(item, 1, 7, 1) for item in items(node)]


_OFFER = {
    "address": fields.text(required=True),
    "role": fields.text(),
    "first_port": fields.number(1024, 65_535, 0),
    "last_port": fields.number(1024, 65_535, 0),
    "most": fields.number(1, 500, 20),
    "most_each": fields.number(0, 500, 5),
    "hours": fields.number(1, 24 * 90, 72),
}


def _read_offer(node: Node) -> Entry:
    """With what is not said as it usually is, so that it compares with what there is."""
    said = fields.read_entry(node, _OFFER)
    if not said:
        return {}
    if not said.get("address"):
        raise node.problem("An offer of endpoints needs an address.")
    usual = {name: _OFFER[name].usual for name in ("most", "most_each", "hours")}
    return usual | said


_WINDOW = {"days": Field(_read_days), "from": fields.text(), "to": fields.text(), "zone": fields.text()}


class Environments(Section):
    name = "environments"
    models = (Environment, Membership, EndpointOffer)
    fields = {
        "protected": fields.truth(),
        "windows": Field(_read_windows, []),
        "outside": fields.text(Outside.WAIT.value),
        "hosts": Field(_read_hosts, {}),
        "endpoints": Field(_read_offer, {}),
    }
    ordered = True

    def now(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {
            row.name: {
                "protected": row.protected,
                "windows": row.windows,
                "outside": row.outside,
                "hosts": {},
                "endpoints": _offer_of(row),
            }
            for row in Environment.objects.select_related("endpoint_offer").order_by("position", "name")
        }
        rows = _by_hand().select_related("host", "environment").order_by("host__name")
        for row in rows:
            member = _member(list(row.roles), dict(sorted(row.labels.items())))
            found[row.environment.name]["hosts"][row.host.name] = member
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        row = places.add_environment(key, by=by) if before is None else Environment.objects.get(name=key)
        if entry["protected"] != row.protected:
            places.protect_environment(row, by=by, protected=entry["protected"])
        given = list(map(windows.read_window, entry["windows"]))
        windows.set_windows(row, given, outside=entry["outside"], by=by)
        if entry["endpoints"] != (before["endpoints"] if before else {}):
            _write_offer(row, entry["endpoints"], by)
        hosts: dict[str, Any] = before["hosts"] if before else {}
        for name, member in entry["hosts"].items():
            if hosts.get(name) != member:
                host, (roles, labels) = _find_host(name), _parts(member)
                adding_hosts.join(host, row, roles=roles, by=by)
                adding_hosts.label(host, row, labels, by=by)
        for name in hosts:
            if name not in entry["hosts"]:
                adding_hosts.take_out(_find_host(name), row, by=by)

    def remove(self, key: str, by: User | None) -> None:
        row = Environment.objects.get(name=key)
        for member in _by_hand().filter(environment=row).select_related("host"):
            adding_hosts.take_out(member.host, row, by=by)
        places.remove_environment(row, by=by)

    def order(self, keys: list[str], new: list[str], by: User | None) -> None:
        """What is new comes behind the one before it in the file; what the file does not name stays where it is."""
        named = iter([key for key in keys if key not in new])
        ordered = [next(named) if name in keys else name for name in self.now() if name not in new]
        for number, key in enumerate(keys):
            if key in new:
                ordered.insert(ordered.index(keys[number - 1]) + 1 if number else 0, key)
        places.order_environments(ordered, by=by)


def _offer_of(row: Environment) -> Entry:
    """What it offers; those that were made live for a time only, and are written nowhere."""
    offer = getattr(row, "endpoint_offer", None)
    if offer is None:
        return {}
    facts = endpoints.facts_of(offer)
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _write_offer(row: Environment, wanted: Entry, by: User | None) -> None:
    if not wanted:
        endpoints.withdraw_offer(row, by=by)
        return
    usual = endpoints.facts_of(EndpointOffer())
    endpoints.set_offer(row, by=by, **(usual | wanted))


def _parts(member: Any) -> tuple[list[str], dict[str, str]]:
    return (member["roles"], member["labels"]) if isinstance(member, dict) else (member, {})


def _find_host(name: str) -> Host:
    found = Host.objects.filter(name=name).first()
    if found is None:
        raise places.WrongName(f"There is no host {name}; write it down under `hosts`. Nothing was changed.")
    return found
