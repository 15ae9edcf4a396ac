"""The windows of an environment: read from what was said, and set."""

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from environments import access
from environments.models import Environment, Outside, User
from environments.windows.errors import WrongWindow
from environments.windows.hours import Window
from notifications import events

MOST = 30


def read_window(facts: Mapping[str, Any]) -> Window:
    """From days (1 is Monday), `from` and `to` as 09:00, and the name of a zone. Raises WrongWindow."""
    days = tuple(sorted(set(facts.get("days") or ())))
    if not days or not all(isinstance(day, int) and 1 <= day <= 7 for day in days):
        raise WrongWindow("A window needs at least one day of the week. Nothing was changed.")
    return Window(days, _read_time(facts.get("from")), _read_time(facts.get("to")), _read_zone(facts.get("zone")))


def _read_time(text: object) -> time:
    try:
        at = time.fromisoformat(str(text))
    except ValueError:
        raise WrongWindow(f"{str(text)[:40]!r} is no time of day, as 09:00. Nothing was changed.") from None
    if at.tzinfo or at != at.replace(second=0, microsecond=0):
        raise WrongWindow(f"{str(text)[:40]!r} is no hour and minute, as 09:00. Nothing was changed.")
    return at


def _read_zone(name: object) -> str:
    text = str(name or "")
    try:
        if not 0 < len(text) < 64:
            raise ValueError
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongWindow(
            f"{text[:64]!r} is no time zone. Say one by its IANA name, as Europe/London. Nothing was changed."
        ) from None
    return text


def set_windows(
    environment: Environment, windows: Sequence[Window], *, outside: str | None = None, by: User | None
) -> None:
    """All windows of an environment; without one deploys go out at any time. `outside`: of Outside; None: as it is.

    Raises WrongWindow, NotAllowed.
    """
    access.require(by, access.ADMINISTER, environment=environment)
    if len(windows) > MOST:
        raise WrongWindow(f"An environment has at most {MOST} windows. Nothing was changed.")
    if outside is not None and outside not in Outside.values:
        raise WrongWindow(f"{outside[:40]!r} is none of {', '.join(Outside.values)}. Nothing was changed.")
    facts = [window.facts() for window in dict.fromkeys(windows)]
    with transaction.atomic():
        fresh = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
        after = Outside(outside or fresh.outside)
        environment.windows, environment.outside = facts, after
        if (fresh.windows, fresh.outside) == (facts, after):
            return
        Environment.objects.filter(pk=environment.pk).update(windows=facts, outside=after)
        told = "; ".join(window.words for window in dict.fromkeys(windows)) or "at any time"
        events.record(
            "windows.changed",
            by.username if by else "",
            environment=environment.name,
            name=environment.name,
            told=told,
            outside=after.label,
        )
