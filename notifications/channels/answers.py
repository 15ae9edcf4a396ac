"""What an answer over HTTP means for a channel."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from notifications.channels.letters import ChannelRefused, TryAgain
from notifications.outgoing import Answer

# Besides the 500s: too slow, too early, too many.
_LATER = {408, 425, 429}


def judge(answer: Answer, who: str) -> None:
    """Raises TryAgain, ChannelRefused; the body is not told, for it may hold what was sent."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in _LATER or status >= 500 or status < 200:
        raise TryAgain(f"{who} answers {status}.", after=wait_of(answer.headers.get("retry-after", "")))
    if 300 <= status < 400:
        raise ChannelRefused(f"{who} redirects ({status}), which is not followed. Write the address that it leads to.")
    raise ChannelRefused(f"{who} answers {status}: it does not take announcements there. Look at address and secret.")


def wait_of(header: str) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where it says nothing that can be understood."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
