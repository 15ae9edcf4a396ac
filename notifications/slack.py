"""Announcements in Slack, and in what takes the same: by an incoming web hook, whose address is its secret."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notifications.asking import Field, Told
from notifications.channels import posting
from notifications.channels.letters import Asked, Letter


def escape(text: str) -> str:
    """As Slack wants it: then nothing in it is a mention (`<!channel>`), a link or a date."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Way:
    """One of the ways into Slack, as a kind of channel."""

    TOLD: Told
    check: Callable[[Asked], Mapping[str, str]]
    send: Callable[[Asked, Letter], None]


def _check_incoming(asked: Asked) -> Mapping[str, str]:
    problem = posting.check_address(asked.secret)
    return {"secret": problem} if problem else {}


def _send_incoming(asked: Asked, letter: Letter) -> None:
    """Raises NotDelivered."""
    # without `mrkdwn: false` asterisks and backticks of a branch's name would be markup
    body = json.dumps({"text": escape(letter.text), "mrkdwn": False}).encode()
    posting.post(asked.secret, body, {"Content-Type": "application/json"})


INCOMING = Way(
    Told(
        "slack-hook",
        "Slack, by incoming web hook",
        "The address that Slack (or Mattermost) gives for one of its rooms.",
        (
            Field(
                "secret",
                "Address of the incoming web hook",
                "Whoever knows it can write there, so it is kept sealed and shown nowhere.",
                "secret",
            ),
        ),
    ),
    _check_incoming,
    _send_incoming,
)
