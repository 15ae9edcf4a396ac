"""Channels and events for tests of announcements."""

from typing import Any

from notifications import events
from notifications.models import Channel, Event
from notifications.sealed import seal

SECRET = "a secret of sixteen"
FACTS = {
    "number": 42,
    "ref": "intlrelease",
    "revision": "6957bb87" + "0" * 32,
    "by": "Ada Marsh",
    "deploy_kind": "deploy",
}


def make_channel(*, name: str = "releases", address: str = "", secret: str = SECRET, **fields: Any) -> Channel:
    facts: dict[str, Any] = {"kind": "web-hook", "owner": "ada", "settings": {"address": address}}
    return Channel.objects.create(name=name, secret=seal(secret), **(facts | fields))


def happen(kind: str = "deploy.requested", *, environment: str = "staging", **facts: Any) -> Event:
    """Something to announce: a deploy of mobile-api, #42."""
    return events.record(kind, "ada", application="mobile-api", environment=environment, deploy=7, **(FACTS | facts))


def lock(kind: str = "lock.acquired", **facts: Any) -> Event:
    said = {"place": "mobile-api/staging", "holder": "Ada Marsh", "lock_kind": "lock", "reason": "demo for the board."}
    said |= {"end": "until 29 Nov 15:00 UTC", "by_name": "Ada Marsh"}
    return events.record(kind, "ada", application="mobile-api", environment="staging", **(said | facts))
