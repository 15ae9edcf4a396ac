"""What a kind of channel is given, and what it may raise.

NotDelivered
├── TryAgain         not now: no answer, too many, or the other side is ill; `after` seconds, where it says so
└── ChannelRefused   never: the credential or the address is wrong, or the room is gone; the channel stops
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone


class NotDelivered(Exception):
    """`str()` is the sentence for pages: what happened and what to do, without any credential."""


class TryAgain(NotDelivered):
    def __init__(self, why: str, *, after: float | None = None) -> None:
        self.after = after
        super().__init__(why)


class ChannelRefused(NotDelivered):
    pass


@dataclass(frozen=True)
class Asked:
    """A channel as its kind sees it: its settings, its opened credential, and its row's id."""

    settings: Mapping[str, str]
    secret: str = field(default="", repr=False)
    channel: int | None = None  # None: one that is not saved


@dataclass(frozen=True)
class Letter:
    """One announcement. `text` is one line of plain characters; each kind makes it harmless for its own markup.

    `id` is the same for every try; `word` says which announcement, or `test`; `deploy` is the deploy's id.
    """

    id: str
    word: str
    text: str
    fields: Mapping[str, str]
    deploy: int | None = None
    at: datetime = field(default_factory=timezone.now)
