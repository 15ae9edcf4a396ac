"""An inventory in Ansible's sense, whatever it was written as: groups of hosts and of groups, with variables. Pure.

Of variables only those below mean something here; what others hold is not looked at. Nothing is ever run: a value
with a template (`{{ … }}`) where we need one is an error of that host.

    ansible_host, ansible_port, ansible_user    (and ansible_ssh_…, as they were called before)
    ansible_connection                          whoever is not reached by SSH is left out
    deployer_name, deployer_region, deployer_zone, deployer_roles, deployer_labels, deployer_host_keys

Where `deployer_roles` is not said, a host's roles are the groups that it is in.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from environments import known_hosts
from environments.sources.listing import MOST_HOSTS, Found, Listing, NotReadable, Wrong, refuse_twice
from environments.ssh import ScannedKey
from environments.validation import LABEL, validate_address, validate_name, validate_user

_OVER_SSH = {"", "ssh", "smart", "paramiko", "paramiko_ssh"}
_IMPLIED = {"all", "ungrouped"}
MOST_LABELS = 50


@dataclass
class Group:
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass
class Inventory:
    """`variables` by host."""

    groups: dict[str, Group] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())


@dataclass(frozen=True)
class Facts:
    """Values as they were written, of whatever type."""

    address: object = None
    port: object = None
    user: object = None
    name: object = None
    roles: object = None
    labels: object = None
    region: object = None
    zone: object = None
    host_keys: object = None


def flatten(inventory: Inventory, *, group: str, what: str) -> Listing:
    """The hosts of `group` and of all groups below it; without one, all. Raises NotReadable."""
    if group and group not in inventory.groups:
        known = ", ".join(sorted(set(inventory.groups) - _IMPLIED)[:10]) or "no groups at all"
        raise NotReadable(f"{what} has no group {group!r}, but {known}.")
    depths = _depths(inventory, what)
    within = _within(inventory)
    names = within[group] if group else dict.fromkeys(name for found in within.values() for name in found)
    if not group:
        names |= dict.fromkeys(inventory.variables)
    if len(names) > MOST_HOSTS:
        raise NotReadable(f"{what} has {len(names)} hosts; at most {MOST_HOSTS} are taken. Choose a group of it.")
    of_host: dict[str, list[str]] = {}
    for name, hosts in within.items():
        for host in hosts:
            of_host.setdefault(host, []).append(name)
    found, wrong, left_out = list[Found](), list[Wrong](), list[Wrong]()
    for name in names:
        groups = of_host.get(name, [])
        variables = _variables(inventory, name, sorted(groups, key=lambda one: (depths[one], one)))
        connection = variables.get("ansible_connection", "")
        if not isinstance(connection, str) or connection not in _OVER_SSH:
            left_out.append(Wrong(name[:80], f"It is reached by {str(connection)[:40]}, not by SSH."))
            continue
        try:
            found.append(make(name, _facts(variables, name, groups)))
        except ValueError as error:
            wrong.append(Wrong(name[:80], str(error)))
    return Listing(refuse_twice(found, wrong), tuple(wrong), tuple(left_out))


def _variables(inventory: Inventory, host: str, groups: Iterable[str]) -> dict[str, Any]:
    """What is said of a group below goes over what is said of one above; the host's own words go over all."""
    variables = dict(inventory.groups["all"].variables) if "all" in inventory.groups else {}
    for group in groups:
        if group != "all":
            variables |= inventory.groups[group].variables
    return variables | inventory.variables.get(host, {})


def _depths(inventory: Inventory, what: str) -> dict[str, int]:
    """How far below the top each group is; `children` may name groups that stand nowhere else."""
    for group in list(inventory.groups.values()):
        for child in group.children:
            inventory.group(child)
    parents: dict[str, list[str]] = {name: [] for name in inventory.groups}
    for name, group in inventory.groups.items():
        for child in group.children:
            parents[child].append(name)
    depths: dict[str, int] = {}
    left = dict(parents)
    while left:
        free = [name for name, above in left.items() if all(one in depths for one in above)]
        if not free:
            raise NotReadable(f"{what}: the groups {', '.join(sorted(left)[:5])} contain each other.")
        for name in free:
            depths[name] = max((depths[one] + 1 for one in left.pop(name)), default=0)
    return depths


def _within(inventory: Inventory) -> dict[str, dict[str, None]]:
    """The hosts of each group, with those of the groups below it, in their order."""
    found: dict[str, dict[str, None]] = {}

    def hosts_of(name: str) -> dict[str, None]:
        if name not in found:
            group = inventory.groups[name]
            hosts = dict.fromkeys(group.hosts)
            for child in group.children:
                hosts |= hosts_of(child)
            found[name] = hosts
        return found[name]

    for name in _deepest_last(inventory):
        hosts_of(name)
    return found


def _deepest_last(inventory: Inventory) -> Iterable[str]:
    """Children before parents, so that a long chain of groups is no deep recursion."""
    seen: dict[str, None] = {}
    stack = list(inventory.groups)
    while stack:
        name = stack[-1]
        missing = [child for child in inventory.groups[name].children if child not in seen]
        if missing:
            stack += missing
        else:
            seen[stack.pop()] = None
    return seen


def _facts(variables: Mapping[str, Any], host: str, groups: Iterable[str]) -> Facts:
    def said(*names: str) -> object:
        return next((variables[name] for name in names if variables.get(name) is not None), None)

    roles = said("deployer_roles")
    if roles is None:
        roles = sorted({role for name in groups if name not in _IMPLIED and (role := _role(name))})
    return Facts(
        address=said("ansible_host", "ansible_ssh_host") or host,
        port=said("ansible_port", "ansible_ssh_port"),
        user=said("ansible_user", "ansible_ssh_user"),
        name=said("deployer_name"),
        roles=roles,
        labels=said("deployer_labels"),
        region=said("deployer_region"),
        zone=said("deployer_zone"),
        host_keys=said("deployer_host_keys"),
    )


def _role(group: str) -> str:
    """A group's name as a role's, which has no underscores."""
    return re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-")[:63].strip("-")


def make(key: str, facts: Facts) -> Found:
    """Raises ValueError with a sentence."""
    region, zone = _name(facts.region, "region"), _name(facts.zone, "zone")
    if zone and not region:
        raise ValueError("It has a zone without a region.")
    name = _name(facts.name, "name")
    if len(key) > 253 or not key.isprintable() or not key:
        raise ValueError("Its name cannot be one.")
    return Found(
        key=key,
        address=_checked(validate_address, _text(facts.address, "address")).lower(),
        port=_port(facts.port),
        user=_checked(validate_user, _text(facts.user, "user")) if facts.user not in (None, "") else "",
        name=name,
        roles=read_roles(facts.roles),
        labels=read_labels(facts.labels),
        zone=f"{region}/{zone or 'hosts'}" if region else "",
        host_keys=read_keys(facts.host_keys),
    )


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"Its {what} is no text.")
    if "{{" in value:
        raise ValueError(f"Its {what} is a template, and none is run here. Write the value itself.")
    return value


def _checked(validate: Any, value: str) -> str:
    try:
        validate(value)
    except ValidationError as error:
        raise ValueError(error.messages[0]) from None
    return value


def _name(value: object, what: str) -> str:
    if value in (None, ""):
        return ""
    text = _text(value, what)
    try:
        validate_name(text)
    except ValidationError as error:
        raise ValueError(f"{text[:80]!r} can be no {what}. {error.messages[0]}") from None
    return text


def _port(value: object) -> int:
    if value is None or value == "":
        return 22
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value, "port").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise ValueError(f"{text[:20]!r} is no port; ports go from 1 to 65535.")
    return int(text)


def read_roles(value: object) -> tuple[str, ...]:
    """A list, or words with commas or spaces between them. Raises ValueError with a sentence."""
    words = value.replace(",", " ").split() if isinstance(value, str) else value or []
    if not isinstance(words, list):
        raise ValueError("Its roles are no list.")
    return tuple(dict.fromkeys(_name(word, "role") for word in words))


def read_labels(value: object) -> tuple[tuple[str, str], ...]:
    """An object, or `name=value,…`. Raises ValueError with a sentence."""
    if value is None:
        return ()
    if isinstance(value, str):  # as INI files and variables of a command line have them
        value = dict(_pair(text) for text in value.split(",") if text.strip())
    if not isinstance(value, dict) or len(value) > MOST_LABELS:
        raise ValueError(f"Its labels must be an object with at most {MOST_LABELS} texts.")
    found = []
    for name, text in sorted(value.items(), key=lambda pair: str(pair[0])):
        if not isinstance(name, str) or not re.fullmatch(LABEL, name):
            raise ValueError(f"{str(name)[:80]!r} can be no name of a label.")
        if isinstance(text, bool) or not isinstance(text, str | int):
            raise ValueError(f"Its label {name} is no text.")
        if len(str(text)) > 200 or not str(text).isprintable() or "," in str(text):
            raise ValueError(f"Its label {name} has over 200 characters, a comma or a control character.")
        found.append((name, str(text)))
    return tuple(found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text[:80]!r} is no label. Write name=value.")
    return name.strip(), value.strip()


def read_keys(value: object) -> tuple[ScannedKey, ...]:
    """Lines as in `*.pub` files. Raises ValueError with a sentence."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [line for line in re.split(r"[,\n]", value) if line.strip()]
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise ValueError("Its host keys are no list of texts.")
    found = []
    for line in value[:10]:
        words = line.split()
        if len(words) < 2:
            raise ValueError("A host key is two words: its kind, and the key.")
        try:
            found.append(known_hosts.read_key(words[0], words[1]))
        except known_hosts.KnownHostsWrong as error:
            raise ValueError(str(error)) from None
    return tuple(found)
