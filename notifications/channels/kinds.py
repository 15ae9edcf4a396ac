"""The kinds of channels, by their word."""

from collections.abc import Callable, Mapping
from typing import Protocol

from notifications import slack
from notifications.asking import Told
from notifications.channels import irc, mail, others, web_hook
from notifications.channels.letters import Asked, ChannelRefused, Letter


class Kind(Protocol):
    """What a kind has. `check` says what is wrong with the settings, by field, and asks nobody; `send` raises
    NotDelivered."""

    @property
    def TOLD(self) -> Told: ...

    @property
    def check(self) -> Callable[[Asked], Mapping[str, str]]: ...

    @property
    def send(self) -> Callable[[Asked, Letter], None]: ...


_ALL: tuple[Kind, ...] = (slack.BOT, slack.INCOMING, irc, mail, web_hook, others)
KINDS: Mapping[str, Kind] = {kind.TOLD.word: kind for kind in _ALL}


def find(word: str) -> Kind:
    """Raises ChannelRefused for a kind that is not there, as after going back to an earlier version."""
    if word not in KINDS:
        raise ChannelRefused(f"This version of the Deployer knows no channel of the kind {word}.")
    return KINDS[word]
