"""YAML with positions, and of YAML only what cannot surprise: mappings, lists, texts, whole numbers, true, false, null.

YamlProblem    where and what
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

DEPTH_MOST = 10
NODES_MOST = 10_000
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_STRING, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"


class YamlProblem(ValueError):
    """`line` and `column` count from 1."""

    def __init__(self, line: int, column: int, text: str) -> None:
        self.line, self.column, self.text = line, column, text
        super().__init__(f"line {line}, column {column}: {text}")


@dataclass
class Node:
    """`value`: a plain value, a list of nodes, or nodes by their keys. `keys`: where each key stands."""

    line: int
    column: int
    value: Any = None
    keys: dict[str, "Node"] = field(default_factory=dict)

    def problem(self, text: str) -> YamlProblem:
        return YamlProblem(self.line, self.column, text)

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def parse(text: str, *, most: int = NODES_MOST) -> Node:
    """The one document of the text, of at most so many nodes; one with None if it is empty. Raises YamlProblem."""
    try:
        return _Reader(text, most).document()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        raise YamlProblem(line, column, "This character cannot stand in YAML.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        raise YamlProblem(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, f"{said}.") from None


class _Reader:
    """Builds nodes from events, not by YAML's own constructor: aliases and tags are refused before they do anything."""

    def __init__(self, text: str, most: int) -> None:
        self._most = most
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._resolver = yaml.SafeLoader("")
        self._seen = 0

    def document(self) -> Node:
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Node(1, 1)
        made = self._node(next(self._events), 1)
        next(self._events)  # the document's end
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise _at(more).problem("There is a second document; only one is read.")
        return made

    def _node(self, event: yaml.Event, depth: int) -> Node:
        node = _at(event)
        self._seen += 1
        if self._seen > self._most or depth > DEPTH_MOST:
            raise node.problem("This is nested too deep." if depth > DEPTH_MOST else "This file holds too much.")
        if getattr(event, "anchor", None) is not None:  # an alias has one too
            raise node.problem("Anchors and aliases (& and *) are not read; write it out, or put a text in quotes.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise node.problem(f"Tags are not read: {tag}")
        if isinstance(event, yaml.ScalarEvent):
            node.value = self._scalar(node, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node.value = list(self._items(depth))
        else:
            self._mapping(node, depth)
        return node

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, node: Node, depth: int) -> None:
        node.value = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key.value, str):
                raise key.problem("A key must be a text.")
            if key.value in node.value:
                raise key.problem(f"{key.value!r} stands here twice; first in line {node.keys[key.value].line}.")
            node.keys[key.value] = key
            node.value[key.value] = self._node(next(self._events), depth + 1)

    def _scalar(self, node: Node, event: yaml.ScalarEvent) -> str | int | bool | None:
        text: str = event.value
        tag = self._resolver.resolve(  # type: ignore[no-untyped-call]
            yaml.ScalarNode, text, event.implicit
        )
        if tag == _STRING:
            return text
        if tag == _NULL:
            return None
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if _WHOLE.fullmatch(text):
            return int(text)
        # such as no, 1.10, 2026-01-01 and 12:30, which YAML takes for something else than what people mean
        raise node.problem(f"{text} could mean several things; put it in quotes if it is a text.")


def _at(event: yaml.Event) -> Node:
    mark = event.start_mark
    return Node(mark.line + 1, mark.column + 1) if mark else Node(1, 1)
