"""Hosts that did not answer when they were last looked at: asked again soon, so that one that is back is known."""

import time
from collections.abc import Callable

from django.db.models import F, Q

from deployments import drift
from deployments.models import Deploy, Placement
from deployments.states import ACTIVE
from environments.models import Target

# With a look every 5 s and 10 s for a connection, what a host runs is known again within 30 s.
AGAIN_SECONDS = 10.0
# Each may take as long as a connection may: more at once would hold up the other looks.
MOST = 64

_asked: dict[int, float] = {}  # by target, on the monotonic clock


def look_again(mine: Callable[[Target], bool] = lambda target: True) -> None:
    """Ask them once more; `mine` says which targets are for this worker. Called again and again."""
    silent = _silent()
    if not silent:
        return
    now = time.monotonic()
    targets = [
        target
        for target in Target.objects.filter(pk__in={pk for pk, _ in silent}).select_related(
            "standing__live__release", "application", "environment"
        )
        if now - _asked.get(target.pk, -AGAIN_SECONDS) >= AGAIN_SECONDS and mine(target)
    ]
    if not targets:
        return
    _asked.update((target.pk, now) for target in targets)
    drift.take_note(targets, drift.look(targets, only={host for _, host in silent}))


def _silent() -> list[tuple[int, int]]:
    """Target and host, those that were heard last of all first."""
    busy = Deploy.objects.filter(status__in=ACTIVE).values("target")
    watched = Placement.objects.filter(
        colour="",
        target__drift_minutes__gt=0,
        target__left_at=None,
        target__runner=None,
        target__standing__live__isnull=False,
        target__standing__looked_at__isnull=False,
    ).exclude(target__in=busy)
    unheard = watched.filter(Q(seen_at=None) | Q(seen_at__lt=F("target__standing__looked_at")))
    return list(unheard.order_by("-seen_at", "pk").values_list("target", "host")[:MOST])
