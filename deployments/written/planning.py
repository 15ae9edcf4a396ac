"""What applying a file would change: everything in it that is not so yet. Reads, and changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deployments import marked_yaml
from deployments.marked_yaml import Node, YamlProblem
from deployments.written.errors import WrittenWrong
from deployments.written.fields import mapping
from deployments.written.secrets import Secret
from deployments.written.section import Entry, Given, Section
from deployments.written.sections import SECTIONS
from environments.secret_stores.references import Reference

VERSION = 1
NODES_MOST = 500_000
_BY_NAME = {section.name: section for section in SECTIONS}

File = Mapping[str, Mapping[str, Given]]  # entries by their section and key


@dataclass(frozen=True)
class Difference:
    """One field. A secret is told as "a secret" or "no secret"."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """`entry`: as it shall be, complete. `before`: as it is. `differences`: what of it."""

    section: Section
    key: str
    kind: Literal["add", "change", "remove", "order"]
    entry: Entry
    before: Entry | None = None
    differences: tuple[Difference, ...] = ()
    line: int = 0

    @property
    def about(self) -> str:
        """`targets shop/staging`."""
        return f"{self.section.name} {self.key}".strip()


@dataclass(frozen=True)
class Plan:
    """`only_here`: what there is and the file does not say, and stays, by its section."""

    changes: tuple[Change, ...]
    only_here: Mapping[str, tuple[str, ...]]


def read(text: str) -> File:
    """The file, section by section. Raises WrittenWrong."""
    try:
        top = marked_yaml.parse(text.removeprefix("\ufeff"), most=NODES_MOST)
        nodes = {} if top.value is None else mapping(top)
        for key, at in top.keys.items():
            if key not in _BY_NAME and key != "version":
                raise at.problem(f"{key!r} is not known here. Known are: version, {', '.join(_BY_NAME)}.")
        if "version" in nodes and nodes["version"].value != VERSION:
            raise nodes["version"].problem(f"Version {VERSION} of this file is read here.")
        said = {name: node for name, node in nodes.items() if name != "version" and node.value is not None}
        return {name: _BY_NAME[name].read(node) for name, node in said.items()}
    except YamlProblem as problem:
        raise WrittenWrong(problem) from None


def plan(file: File, *, remove: bool = False) -> Plan:
    """With `remove`, what a section of the file does not name is taken away where a file may. Raises WrittenWrong."""
    changes: list[Change] = []
    removed: list[Change] = []
    only_here: dict[str, tuple[str, ...]] = {}
    try:
        for section in SECTIONS:
            if section.name not in file:
                continue
            given, now = file[section.name], section.now()
            changes += _changes(section, given, now)
            rest = [key for key in now if key not in given]
            if remove and section.remove is not None:
                removed += [Change(section, key, "remove", {}, now[key]) for key in rest]
            elif rest:
                only_here[section.name] = tuple(rest)
    except YamlProblem as problem:
        raise WrittenWrong(problem) from None
    return Plan((*changes, *reversed(removed)), only_here)


def _changes(section: Section, given: Mapping[str, Given], now: Mapping[str, Entry]) -> Iterator[Change]:
    for key, one in given.items():
        before = now.get(key)
        entry = section.complete(one.entry, before)
        missing = section.missing(entry) if before is None else ""
        if missing:
            raise one.node.problem(f"{section.name} {key} is new here, and needs {missing}.")
        _check_secrets(one.node, entry, before)
        found = tuple(_differences(entry, before or {}))
        if before is None:
            yield Change(section, key, "add", entry, None, found, one.node.line)
        elif found:
            yield Change(section, key, "change", entry, before, found, one.node.line)
    if section.ordered:
        there = [key for key in now if key in given]
        wanted = [key for key in given if key in now]
        new = len(wanted) < len(given)
        if wanted != there or (new and list(given)[: len(wanted)] != wanted):
            yield Change(section, "", "order", {}, None, (Difference("order", there, list(given)),))


def _check_secrets(node: Node, entry: Entry, before: Entry | None) -> None:
    for name, value in entry.items():
        stored = (before or {}).get(name)
        if isinstance(value, Secret) and value.plain is None and not value.sealed and not isinstance(stored, Secret):
            raise node.problem(
                f"{name} shall be what is stored, but nothing is stored here. Say where the secret lies."
            )


def _differences(entry: Entry, before: Entry) -> Iterator[Difference]:
    for name in dict.fromkeys((*entry, *before)):
        after, was = entry.get(name), before.get(name)
        if not _same(after, was):
            yield Difference(name, _told(was), _told(after))


def _same(after: Any, before: Any) -> bool:
    if isinstance(after, Secret):
        return after.same_as(before if isinstance(before, Secret) else None)
    return bool(after == before)


def _told(value: Any) -> Any:
    return str(value) if isinstance(value, Secret | Reference) else value
