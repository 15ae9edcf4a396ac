"""The states of deploys and host runs, and every move that is allowed."""

from django.db import models


class DeployStatus(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    WATCHING = "watching"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"


class RunStatus(models.TextChoices):
    PENDING = "pending"
    PREPARING = "preparing"
    PREPARED = "prepared"
    SWITCHED = "switched"
    LIVE = "live"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


# a step's name that means something: the word to switch may be on its way to the host
SWITCHING = "switching"

_D, _R = DeployStatus, RunStatus

ACTIVE = (_D.RUNNING, _D.CANCELLING, _D.WATCHING)
FINAL = (_D.SUCCEEDED, _D.PARTIAL, _D.FAILED, _D.CANCELLED, _D.NEEDS_ATTENTION)
WENT_LIVE = (_D.SUCCEEDED, _D.PARTIAL)

DEPLOY_MOVES: dict[str, tuple[str, ...]] = {
    _D.WAITING: (_D.RUNNING, _D.CANCELLED, _D.FAILED, _D.NEEDS_ATTENTION),
    _D.RUNNING: (_D.CANCELLING, _D.WATCHING, *FINAL),
    _D.CANCELLING: FINAL,
    _D.WATCHING: (_D.CANCELLING, *FINAL),
}

RUN_FINAL = (_R.LIVE, _R.FAILED, _R.UNREACHABLE, _R.UNKNOWN, _R.CANCELLED, _R.SKIPPED)
RUN_OPEN = (_R.PENDING, _R.PREPARING, _R.PREPARED, _R.SWITCHED)
_ENDS = (_R.FAILED, _R.UNREACHABLE, _R.UNKNOWN, _R.CANCELLED)

RUN_MOVES: dict[str, tuple[str, ...]] = {
    _R.PENDING: (_R.PREPARING, _R.SKIPPED, *_ENDS),
    _R.PREPARING: (_R.PREPARED, _R.LIVE, *_ENDS),  # live at once: a task has run, there is nothing to switch
    # back to pending: the host turned out to lack the release that it was thought to hold
    _R.PREPARED: (_R.SWITCHED, _R.PENDING, _R.SKIPPED, *_ENDS),
    _R.SWITCHED: (_R.LIVE, *_ENDS),
}


def sources(moves: dict[str, tuple[str, ...]], to: str) -> tuple[str, ...]:
    """The states from which `to` may be reached."""
    return tuple(state for state, goals in moves.items() if to in goals)
