"""What the fields of an entry may hold, and what they are when nothing is said."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployments import marked_values
from deployments.marked_yaml import Node
from deployments.written import secrets
from environments import known_hosts
from environments.ssh import ScannedKey


@dataclass(frozen=True)
class Field:
    """`read` raises YamlProblem. A field that has its `usual` value is not written."""

    read: Callable[[Node], Any]
    usual: Any = None
    required: bool = False


def text(usual: str = "", *, required: bool = False) -> Field:
    return Field(lambda node: marked_values.text(node, usual), usual, required)


def number(least: int, most: int, usual: int) -> Field:
    return Field(lambda node: marked_values.number(node, least, most, usual), usual)


def truth(usual: bool = False) -> Field:
    return Field(lambda node: marked_values.truth(node, usual), usual)


def texts() -> Field:
    """A list of texts; what each may be the verb says."""
    return Field(lambda node: list(marked_values.texts(node, lambda _: None)), [])


def secret() -> Field:
    return Field(secrets.read)


def host_keys(lines: Iterable[str]) -> list[ScannedKey]:
    """Public keys, each in two words; a comment behind them is no part of it. Raises KnownHostsWrong."""
    return [_host_key(line) for line in lines]


def _host_key(line: str) -> ScannedKey:
    words = line.split()
    if len(words) < 2:
        raise known_hosts.KnownHostsWrong(f"{line[:40]!r} is no public key; write it as `ssh-ed25519 AAAA…`.")
    return known_hosts.read_key(words[0], words[1])


def sort_keys(entry: dict[str, Any]) -> dict[str, Any]:
    """With its public keys in an order and without comments, so that equal ones compare equal."""
    return entry | {"keys": sorted(" ".join(line.split()[:2]) for line in entry["keys"])}


def mapping(node: Node, known: Mapping[str, Field] | None = None) -> dict[str, Node]:
    """The keys of a node, all of them known. Raises YamlProblem."""
    if not isinstance(node.value, dict):
        names = f" Known are: {', '.join(known)}." if known else ""
        raise node.problem(f"Here must stand keys with values.{names}")
    for key, at in node.keys.items():
        if known is not None and key not in known:
            raise at.problem(f"{key!r} is not known here. Known are: {', '.join(known)}.")
    return node.value


def read_entry(node: Node, known: Mapping[str, Field]) -> dict[str, Any]:
    """What an entry says, field by field. Raises YamlProblem."""
    found = Node(node.line, node.column, {}) if node.value is None else node
    return {key: known[key].read(value) for key, value in mapping(found, known).items()}
