"""Whether a target takes nothing new now: outside of its environment's windows, or frozen.

The way back, tasks, and bringing hosts to what is live already wait for neither, nor for an approval.
"""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from deployments.blocker import Blocker
from deployments.models import Kind
from environments import locks, windows
from environments.models import Environment, Freeze, Target

NEVER_WAIT = (Kind.ROLLBACK, Kind.CONVERGE, Kind.TASK)


def closed(target: Target, freezes: Sequence[Freeze] | None = None, *, now: datetime | None = None) -> list[Blocker]:
    """What closes it. One query, or none with the `freezes` that apply, or on a target that was read with
    windows.frozen and is not; PostgreSQL's clock where there are windows, unless `now` was asked already.
    """
    known_free = freezes is None and getattr(target, "frozen", None) is False
    rows = windows.applying(target) if freezes is None and not known_free else freezes or ()
    found = [frozen(row) for row in rows]
    outside = _outside(target.environment, now)
    return [*found, outside] if outside else found


def frozen(freeze: Freeze) -> Blocker:
    return Blocker(
        "freeze",
        f"{windows.tell_what(freeze)}.",
        who=freeze.by_name,
        until=freeze.ends.isoformat(),
        url=reverse("windows"),
    )


def _outside(environment: Environment, now: datetime | None) -> Blocker | None:
    """That no window of the environment is open, and when one is."""
    hours = windows.windows_of(environment.windows)
    if not hours:
        return None
    now = now or locks.clock()
    if windows.is_open(hours, now):
        return None
    opens = windows.next_opening(hours, now)
    return Blocker(
        "window",
        f"{environment.name} takes deploys {'; '.join(window.words for window in hours)}.",
        until=opens.isoformat() if opens else "",
        url=reverse("windows"),
    )
