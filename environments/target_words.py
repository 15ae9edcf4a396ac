"""How addresses write a target: `shop/staging`, and `shop/staging/feature-x` for an endpoint of it."""

from typing import Any

from django.urls import register_converter

from environments.validation import NAME

# The words behind a target in addresses of pages and of the API: no endpoint has such a name.
RESERVED = frozenset(
    {
        *("approvals", "commits", "configuration", "converge", "deploy", "deploys", "edit", "endpoints"),
        *("extend", "policy", "rehearsal", "rollback", "star", "take-away", "tasks"),
    }
)
PLACE = f"{NAME}(?:/{NAME})?"


class PlaceConverter:
    """`staging`, or `staging/feature-x`; in routes `<place:environment>`."""

    regex = rf"[-a-zA-Z0-9_]+(?:/(?!(?:{'|'.join(sorted(RESERVED))})(?:/|$))[a-z0-9-]+)?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(PlaceConverter, "place")


def split(place: str) -> tuple[str, str]:
    """The environment, and the name of the endpoint or ""."""
    environment, _, name = place.partition("/")
    return environment, name


def at(place: str, prefix: str = "") -> dict[str, Any]:
    """As a filter of targets; `prefix` leads to their fields."""
    environment, name = split(place)
    return {f"{prefix}environment__name": environment, f"{prefix}name": name}
