"""One measured value."""

from dataclasses import dataclass

from notifications.metrics.names import Kind


@dataclass(frozen=True)
class Sample:
    """`value`: how many to add, how many seconds, or how many there are now; `labels`: values as declared."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    value: float
