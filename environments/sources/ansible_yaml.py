"""Ansible's inventory as YAML: groups with hosts, vars and children. Pure.

    all:
      children:
        web:
          hosts:
            web-[01:20].example.com:
            web-21: {ansible_host: 10.0.0.21, ansible_port: 2222}
          vars: {ansible_user: www}

Aliases are refused. What a tag says (`!vault`) is not read: it matters only where it stands for something that we need.

NotReadable    it is no YAML, or no inventory; the sentence has the line
"""

from typing import Any

import yaml

from environments.sources import ansible_ini
from environments.sources.inventories import Inventory
from environments.sources.listing import NotReadable, Wrong

MOST_DEPTH = 40
MOST_NODES = 100_000


class _Unread:
    """What stands under a tag of somebody else's."""


class _Loader(yaml.SafeLoader):
    def construct_unread(self, _: yaml.Node) -> _Unread:
        return _Unread()


_Loader.add_constructor(None, _Loader.construct_unread)


def read(text: str) -> tuple[Inventory, list[Wrong]]:
    """What is right, and which hosts are wrong."""
    try:
        _bound(text)
        data = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" in line {mark.line + 1}" if mark else ""
        raise NotReadable(f"It is no YAML{line}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise NotReadable("It is no YAML: it holds characters or values that cannot stand there.") from None
    if not isinstance(data, dict):
        raise NotReadable("It is no inventory: at its top stand groups, as `all:`.")
    inventory, wrong = Inventory(), list[Wrong]()
    stack = [(str(name), body) for name, body in reversed(data.items())]
    while stack:
        name, body = stack.pop()
        stack += reversed(_group(inventory, wrong, name, body))
    return inventory, wrong


def _bound(text: str) -> None:
    """Few enough nodes, not too deep, no aliases: those make much of little."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise NotReadable(f"Line {line} has an alias (`*`), which is not read here.")
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH or nodes > MOST_NODES:
            raise NotReadable(f"It is nested more than {MOST_DEPTH} deep, or has more than {MOST_NODES} values.")


def _group(inventory: Inventory, wrong: list[Wrong], name: str, body: Any) -> list[tuple[str, Any]]:
    """Take in one group; the groups below it are returned."""
    group = inventory.group(name)
    parts = {} if body is None else body
    if not isinstance(parts, dict) or (unknown := set(map(str, parts)) - {"hosts", "vars", "children"}):
        told = f", not {sorted(unknown)[0]!r}" if isinstance(parts, dict) else ""
        raise NotReadable(f"The group {name[:80]!r} has hosts, vars and children{told}.")
    group.variables |= _mapping(parts.get("vars"), f"The vars of {name[:80]!r}")
    for pattern, variables in _mapping(parts.get("hosts"), f"The hosts of {name[:80]!r}").items():
        try:
            for host in list(ansible_ini.expand(pattern)):  # all or none
                group.hosts.append(host)
                inventory.variables.setdefault(host, {}).update(_mapping(variables, f"What is said of {host[:80]}"))
        except ValueError as error:
            wrong.append(Wrong(pattern[:80], str(error)))
    children = _mapping(parts.get("children"), f"The children of {name[:80]!r}")
    group.children += children
    return list(children.items())


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotReadable(f"{what} must be a mapping, `name:` and its value.")
    return {str(name): one for name, one in value.items()}
