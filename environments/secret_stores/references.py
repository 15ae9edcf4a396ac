"""What a value says of a secret that lies elsewhere: which store, where in it, and under which key. Pure."""

import json
from dataclasses import dataclass
from typing import Self

LONGEST = 500


@dataclass(frozen=True, order=True)
class Reference:
    """`key` of what lies at `path`; empty, where what lies there is the value itself."""

    store: str
    path: str = ""
    key: str = ""

    def __str__(self) -> str:
        """`vault: shop/database#password`, for people."""
        return f"{self.store}: {self.path}" + (f"#{self.key}" if self.key else "")

    @property
    def text(self) -> str:
        """As it is stored: equal texts, equal references."""
        return json.dumps({"store": self.store, "path": self.path, "key": self.key}, sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Self:
        said = json.loads(text)
        return cls(said["store"], said["path"], said["key"])


def problem_of(reference: Reference) -> str:
    """What is wrong with it in any store; "" for nothing."""
    for what, text in (("path", reference.path), ("key", reference.key)):
        if len(text) > LONGEST:
            return f"The {what} is longer than {LONGEST} characters."
        if text != text.strip() or not text.isprintable():
            return f"The {what} has spaces at its ends, or characters that cannot be seen."
    return ""


@dataclass(frozen=True)
class Found:
    """What a store said. `version` counts what it has held there; 0: it counts nothing."""

    value: str
    version: int = 0

    def __repr__(self) -> str:
        return f"Found(version={self.version})"
