"""JSON as a list of hosts. Pure.

    [{"name": "web-1", "address": "10.0.0.7", "port": 22, "user": "deploy", "roles": ["web"], "region": "eu",
      "zone": "a", "labels": {"tier": "front"}, "host_keys": ["ssh-ed25519 AAAA…"]}, "deploy@10.0.0.8"]

or `{"hosts": […]}` with such a list, or what `--list` of an Ansible inventory script prints.
"""

import json
from typing import Any

from environments import host_lines
from environments.sources import inventories
from environments.sources.listing import Found, Listing, NotReadable, Wrong, refuse_twice

MOST_DEPTH = 20
_KNOWN = {"name", "address", "port", "user", "roles", "labels", "region", "zone", "host_keys"}


def read(body: bytes | str, *, group: str, what: str) -> Listing:
    """`what` is read, for the sentence of what is wrong with it as a whole. Raises NotReadable."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise NotReadable(f"{what} returns no JSON.") from None
    if _is_deeper(data, MOST_DEPTH):
        raise NotReadable(f"{what} returns JSON that is nested more than {MOST_DEPTH} deep, which no list of hosts is.")
    if isinstance(data, dict) and set(data) == {"hosts"} and isinstance(data["hosts"], list):
        data = data["hosts"]
    if isinstance(data, list):
        if group:
            raise NotReadable(f"{what} returns a plain list, which has no groups, so that {group!r} means nothing.")
        return _plain(data)
    if not isinstance(data, dict):
        raise NotReadable(f"{what} returns neither a list nor an object.")
    return inventories.flatten(_inventory(data, what), group=group, what=what)


def _is_deeper(data: object, most: int) -> bool:
    level = [data]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _plain(rows: list[Any]) -> Listing:
    hosts: list[Found] = []
    wrong: list[Wrong] = []
    for number, row in enumerate(rows, start=1):
        where = f"Entry {number}"
        try:
            hosts.append(_line(row) if isinstance(row, str) else _entry(row))
        except ValueError as error:
            wrong.append(Wrong(_name_in(row) or where, str(error)))
    return Listing(refuse_twice(hosts, wrong), tuple(wrong))


def _name_in(row: object) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name[:80] if isinstance(name, str) else ""


def _line(text: str) -> Found:
    try:
        (line,) = host_lines.read(text, user="x")
    except host_lines.LinesWrong as error:
        raise ValueError(next(iter(error.problems.values()))) from None
    user = line.place.user if "@" in text.split()[0] else ""
    return Found(line.name or line.place.address, line.place.address, line.place.port, user, line.name, line.via)


def _entry(row: object) -> Found:
    if not isinstance(row, dict):
        raise ValueError("It is neither a text nor an object.")
    if unknown := sorted(set(row) - _KNOWN):
        raise ValueError(f"{unknown[0]!r} is not known here; known are {', '.join(sorted(_KNOWN))}.")
    name, address = row.get("name") or row.get("address"), row.get("address") or row.get("name")
    if not isinstance(name, str) or not isinstance(address, str):
        raise ValueError("It has neither a name nor an address.")
    facts = inventories.Facts(
        address=address,
        port=row.get("port"),
        user=row.get("user"),
        roles=row.get("roles"),
        labels=row.get("labels"),
        region=row.get("region"),
        zone=row.get("zone"),
        host_keys=row.get("host_keys"),
    )
    return inventories.make(name, facts)


def _inventory(data: dict[str, Any], what: str) -> inventories.Inventory:
    found = inventories.Inventory()
    meta = data.get("_meta", {})
    hostvars = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not isinstance(hostvars, dict) or not all(isinstance(row, dict) for row in hostvars.values()):
        raise NotReadable(f"{what}: `_meta.hostvars` must be an object with an object for each host.")
    for name, group in data.items():
        if name == "_meta":
            continue
        body = {"hosts": group} if isinstance(group, list) else group  # the form of old scripts
        if not isinstance(body, dict):
            raise NotReadable(f"{what}: the group {name[:80]!r} is neither an object nor a list.")
        into = found.group(name)
        into.hosts += _texts(body.get("hosts", []), f"{what}: the hosts of {name[:80]!r}")
        into.children += _texts(body.get("children", []), f"{what}: the children of {name[:80]!r}")
        variables = body.get("vars", {})
        if not isinstance(variables, dict):
            raise NotReadable(f"{what}: the vars of {name[:80]!r} are no object.")
        into.variables |= variables
    for host, variables in hostvars.items():
        found.variables.setdefault(host, {}).update(variables)
    return found


def _texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise NotReadable(f"{what} must be a list of texts.")
    return value
