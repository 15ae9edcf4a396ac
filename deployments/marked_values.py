"""What a node of YAML must be, with its place in what is told otherwise."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from deployments.marked_yaml import Node
from environments.validation import validate_name, validate_relative


def items(node: Node | None) -> list[Node]:
    """The items of a list; none where there is no node. Raises YamlProblem, as all here do."""
    if node is None:
        return []
    if not isinstance(node.value, list):
        raise node.problem("This must be a list.")
    return node.value


def texts(node: Node | None, check: Callable[[str], None]) -> tuple[str, ...]:
    for item in items(node):
        if not isinstance(item.value, str):
            raise item.problem("This must be a text; put it in quotes.")
        try:
            check(item.value)
        except ValidationError as error:
            raise item.problem(error.messages[0]) from None
    return tuple(item.value for item in items(node))


def names(node: Node | None) -> tuple[str, ...]:
    return texts(node, validate_name)


def paths(node: Node | None) -> tuple[str, ...]:
    return texts(node, validate_relative)


def number(node: Node | None, least: int, most: int, usual: Any) -> Any:
    if node is None:
        return usual
    if not isinstance(node.value, int) or isinstance(node.value, bool) or not least <= node.value <= most:
        raise node.problem(f"This must be a number from {least} to {most:,}.")
    return node.value


def truth(node: Node | None, usual: bool) -> bool:
    if node is None:
        return usual
    if not isinstance(node.value, bool):
        raise node.problem("This must be true or false.")
    return node.value


def text(node: Node | None, usual: str) -> str:
    if node is None:
        return usual
    if not isinstance(node.value, str):
        raise node.problem("This must be a text; put it in quotes.")
    return node.value
