"""Secrets by reference: a file never holds one, it says where one lies.

`{secret: stored}`     what is stored here already, whatever it is
`{secret: env:NAME}`   in this variable of the environment of whoever applies the file
`{secret: file:PATH}`  in this file, without the newline at its end
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.marked_yaml import Node
from environments.sealed import unseal

STORED = "stored"
_BYTES_MOST = 64 * 1024


@dataclass(frozen=True, eq=False)
class Secret:
    """`plain`: what was given; None where only what is stored is meant. `sealed`: what is stored; "" for nothing."""

    reference: str = STORED
    plain: str | None = field(default=None, repr=False)
    sealed: str = field(default="", repr=False)

    def __str__(self) -> str:
        return "a secret" if self.plain is not None or self.sealed else "no secret"

    def written(self) -> Any:
        """As it stands in a file."""
        return {"secret": self.reference}

    def same_as(self, stored: "Secret | None") -> bool:
        """Whether nothing needs to be stored where `stored` is. Raises CannotOpen."""
        if self.plain is None:
            return stored is not None and bool(stored.sealed)
        return stored is not None and bool(stored.sealed) and unseal(stored.sealed) == self.plain


def read(node: Node) -> Secret:
    """What is referred to, opened. Raises YamlProblem, which never tells a value."""
    inner = node.value.get("secret") if isinstance(node.value, dict) and set(node.value) == {"secret"} else None
    if inner is None or not isinstance(inner.value, str):
        raise node.problem("A secret is written {secret: stored}, {secret: env:NAME} or {secret: file:PATH}.")
    kind, _, place = inner.value.partition(":")
    if inner.value == STORED:
        return Secret()
    if kind == "env" and place:
        if place not in os.environ:
            raise inner.problem(f"The secret shall be in the variable {place}, which is not set.")
        return Secret(inner.value, os.environ[place])
    if kind == "file" and place:
        return Secret(inner.value, _read_file(inner, Path(place)))
    raise inner.problem("A secret is written {secret: stored}, {secret: env:NAME} or {secret: file:PATH}.")


def _read_file(node: Node, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MOST + 1)
        text = content.decode()
    except OSError as error:
        raise node.problem(f"The secret shall be in {path}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise node.problem(f"The secret shall be in {path}, which is no UTF-8 text.") from None
    if len(content) > _BYTES_MOST:
        raise node.problem(f"The secret shall be in {path}, which is longer than {_BYTES_MOST} bytes.")
    return text.removesuffix("\n")
