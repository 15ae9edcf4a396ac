"""Announcements in Slack: by a bot, or by an incoming web hook, whose address is its secret."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException

from django.conf import settings
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient

from notifications.asking import Field, Told
from notifications.bounded import Late, within
from notifications.channels import posting
from notifications.channels.answers import wait_of
from notifications.channels.letters import Asked, ChannelRefused, Letter, NotDelivered, TryAgain
from notifications.models import Posted

SECONDS = 15.0


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


# What Slack's API says that is not for ever (https://docs.slack.dev/reference/methods/chat.postMessage).
_NOT_NOW = {"fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable",
            "team_added_to_org", "accesslimited"}  # fmt: skip
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"}
_ROOM = re.compile(r"#[^\s#<>&|]{1,79}|[CGD][A-Z0-9]{6,20}")
_WORD = re.compile(r"[a-z_]{1,60}")


def _check_bot(asked: Asked) -> Mapping[str, str]:
    problems = {}
    if not _ROOM.fullmatch(asked.settings.get("room", "")):
        problems["room"] = "A room is `#name`, or its id as Slack shows it (`C0123456789`)."
    if not re.fullmatch(r"xoxb-[\w-]{10,250}", asked.secret):
        problems["secret"] = "The token of a bot begins with xoxb-."
    return problems


def _send_by_bot(asked: Asked, letter: Letter) -> None:
    """One message for each deploy: edited as it goes on, with what was said in its thread. Raises NotDelivered."""
    client = WebClient(asked.secret, base_url=settings.SLACK_API, timeout=int(SECONDS), retry_handlers=[])
    text = escape(letter.text)
    posted = _posted(asked, letter)
    if posted is not None and _edit(client, posted, text):
        return
    said = _call(lambda: _post(client, asked.settings["room"], text))
    place, stamp = str(said.get("channel", "")), str(said.get("ts", ""))
    if letter.deploy is None or asked.channel is None or not stamp:
        return
    Posted.objects.get_or_create(
        channel_id=asked.channel, deploy=letter.deploy, defaults={"place": place[:100], "stamp": stamp[:100]}
    )


def _edit(client: WebClient, posted: Posted, text: str) -> bool:
    """Whether the message was still there to be edited; else another takes its place. Raises NotDelivered."""
    place, stamp = posted.place, posted.stamp
    try:
        _call(lambda: client.chat_update(channel=place, ts=stamp, text=text, mrkdwn=False))
    except _Gone:
        posted.delete()
        return False
    _call(lambda: _post(client, place, text, stamp))
    return True


def _posted(asked: Asked, letter: Letter) -> Posted | None:
    if letter.deploy is None or asked.channel is None:
        return None
    return Posted.objects.filter(channel=asked.channel, deploy=letter.deploy).first()


def _post(client: WebClient, room: str, text: str, thread: str | None = None) -> SlackResponse:
    return client.chat_postMessage(
        channel=room, text=text, thread_ts=thread, mrkdwn=False, unfurl_links=False, unfurl_media=False
    )


class _Gone(ChannelRefused):
    """The message that was to be edited is not there any more."""


def _call(act: Callable[[], SlackResponse]) -> SlackResponse:
    """Raises NotDelivered."""
    try:
        return within(SECONDS, act, name="slack")
    except Late:
        raise TryAgain(f"Slack did not answer within {SECONDS:.0f} s.") from None
    except SlackApiError as error:
        raise _judged(error.response) from None
    except (SlackClientError, OSError, HTTPException, ValueError) as error:
        raise TryAgain(f"Slack cannot be reached ({type(error).__name__}).") from None


def _judged(answer: SlackResponse) -> NotDelivered:
    """What an answer that is none means; only words as Slack's own are told again."""
    status = int(answer.status_code)
    said = str(answer.get("error", ""))
    word = said if _WORD.fullmatch(said) else "what it says is no answer of Slack"
    headers = {str(name).lower(): str(value) for name, value in (answer.headers or {}).items()}
    if status == 429 or status >= 500 or said in _NOT_NOW or not _WORD.fullmatch(said):
        return TryAgain(f"Slack answers {status}: {word}.", after=wait_of(headers.get("retry-after", "")))
    told = f"Slack refuses it: {word}. Look at the token and its scopes, and whether the bot is in the room."
    return _Gone(told) if said in _GONE else ChannelRefused(told)


BOT = Way(
    Told(
        "slack",
        "Slack, by a bot",
        "One message for each deploy, which changes as it goes, with all that was said in its thread.",
        (
            Field("room", "Room", "The bot must be in it.", placeholder="#releases"),
            Field(
                "secret",
                "Token of the bot",
                "`xoxb-…`, with the scope `chat:write`. Kept sealed, shown nowhere.",
                "secret",
            ),
        ),
    ),
    _check_bot,
    _send_by_bot,
)
