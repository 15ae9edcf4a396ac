"""One thing that stands in the way of a deploy, and the refusal that names all of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from environments import locks
from environments.models import Lock, Target

# What an emergency goes over besides locks.
_CLOSED = ("window", "freeze")
APPROVAL = "approval"


@dataclass(frozen=True)
class Blocker:
    """`kind` is a word for machines; `until` an ISO time or ""; `url` a page of ours or ""; `lock`: the one it is."""

    kind: str
    text: str
    who: str = ""
    until: str = ""
    url: str = ""
    passes: bool = True  # whether waiting helps
    lock: Lock | None = None

    def facts(self) -> dict[str, Any]:
        facts = {"kind": self.kind, "text": self.text, "who": self.who, "until": self.until, "url": self.url}
        return facts | {"lock": self.lock.pk if self.lock else None}

    @property
    def sentence(self) -> str:
        """The text with its end, for where nothing shows that beside it."""
        if self.lock:
            return f"{locks.tell(self.lock)}."
        if not (self.closes and self.until):
            return self.text
        return f"{self.text} Until {timezone.localtime(datetime.fromisoformat(self.until)):%a %d %b %H:%M %Z}."

    @property
    def closes(self) -> bool:
        """Whether it is a time at which nothing new goes out."""
        return self.kind in _CLOSED

    @property
    def yields(self) -> bool:
        """Whether a person with the right to it goes over it in an emergency."""
        return self.lock is not None or self.closes or self.kind == APPROVAL


class Blocked(Exception):
    """A deploy cannot start now. `blockers` says why, one by one."""

    def __init__(self, target: Target, blockers: list[Blocker]) -> None:
        self.target, self.blockers = target, blockers
        super().__init__(f"{target.slug} cannot be deployed now: " + " ".join(it.sentence for it in blockers))
