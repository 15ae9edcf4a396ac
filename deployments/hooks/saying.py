"""What a delivery says, whoever sent it; and how it is read out of a payload that anybody may have made. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from deployments.hooks.errors import Unreadable
from deployments.models import CheckState

Payload = Mapping[str, Any]
_REVISION = re.compile(r"[0-9a-f]{40}")
NOBODY = "0" * 40  # what git hosts send for a branch that is gone, or was not there


@dataclass(frozen=True)
class Checked:
    """What one check said of the commit; `at`: by the sender's clock, None where it does not tell."""

    kind: str
    name: str
    state: str
    at: datetime | None = None
    url: str = ""


@dataclass(frozen=True)
class Said:
    """`told` for people; a commit by its `revision`, or by `refs`, its branches or tags; without either: nothing."""

    told: str
    revision: str = ""
    refs: tuple[str, ...] = ()
    checks: tuple[Checked, ...] = ()


def text(payload: object, *path: str, most: int = 200) -> str:
    """The text at a path, on one line; "" where there is none."""
    found = payload
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    plain = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())[:most]


def truth(payload: Payload, name: str) -> bool:
    return payload.get(name) is True


def revision(payload: object, *path: str) -> str:
    """Raises Unreadable unless there are 40 hex digits."""
    found = text(payload, *path).lower()
    if not _REVISION.fullmatch(found):
        raise Unreadable(f"It has no commit of 40 hex digits at `{'.'.join(path)}`.")
    return found


def moment(payload: object, *path: str) -> datetime | None:
    """A time as ISO 8601 writes it; without a zone it is UTC."""
    found = text(payload, *path).replace(" UTC", "+00:00")
    try:
        at = datetime.fromisoformat(found)
    except ValueError:
        return None
    return at if at.tzinfo else timezone.make_aware(at, timezone.get_default_timezone())


def from_seconds(seconds: float) -> datetime:
    """Since 1970."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def branch(ref: str) -> str:
    """A ref's short name: `refs/heads/main` is `main`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def state_of(word: str, green: frozenset[str], red: frozenset[str]) -> str:
    """Of a sender's own word; what is neither good nor bad is still under way."""
    if word in green:
        return CheckState.GREEN
    return CheckState.RED if word in red else CheckState.PENDING


def tell_check(one: Checked, where: str) -> str:
    words = {CheckState.GREEN: "is green", CheckState.RED: "is red", CheckState.PENDING: "runs"}
    return f"{one.name} {words[CheckState(one.state)]}{f' on {where}' if where else ''}."
