"""A POST to an address that an administrator has typed: a public one, unless a setting says more."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings

from notifications import outgoing
from notifications.channels.answers import judge
from notifications.channels.letters import ChannelRefused, TryAgain
from notifications.outgoing import Answer


def check_address(url: str) -> str:
    """What is wrong with it as it is written; "" for nothing. Texts and signatures go over http at home only."""
    return outgoing.check_address(url, schemes=("https", "http") if _at_home() else ("https",))


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """A good answer. Raises TryAgain, ChannelRefused."""
    if problem := check_address(url):
        raise ChannelRefused(problem)
    try:
        answer = outgoing.post(url, body, headers=headers, policy=settings.CHANNEL_ADDRESSES)
    except outgoing.AddressRefused as refusal:
        raise ChannelRefused(
            f"{refusal} CHANNEL_ADDRESSES={settings.CHANNEL_ADDRESSES} says which are; link-local addresses never are."
        ) from None
    except outgoing.NotReached as error:
        raise TryAgain(str(error)) from None
    judge(answer, urlsplit(url).hostname or "")
    return answer


def _at_home() -> bool:
    return bool(settings.CHANNEL_ADDRESSES == "private")
