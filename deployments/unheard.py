"""What is not heard by way of Redis now, as a sentence for pages: what that means and what to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from deployments import claims, words


@dataclass(frozen=True, slots=True)
class Unheard:
    """`since` is exact to the minute, so that a page which tells it does not change all the time."""

    title: str
    since: datetime
    means: str
    todo: str


def unheard() -> list[Unheard]:
    """Empty: all is well, as far as this process and the workers' rows tell. One query then; no word to Redis."""
    silent = words.silent_since()
    if silent is not None:
        return [_redis(silent)]
    deaf = list(claims.deaf_workers())
    now = claims.now() if deaf else 0.0
    return [_deaf(worker.inbox or worker.name, now - worker.heard_at) for worker in deaf]


def _redis(seconds: float) -> Unheard:
    own = "Start it, and check REDIS_URL."
    bundled = "The Deployer's own is started again within seconds; if this stays, see the log of valkey."
    return Unheard(
        title="Degraded: Redis does not answer",
        since=_minute(seconds),
        means="Deploys go on, by looks at the database: each step starts up to 3 s later. Pages follow every 5 s.",
        todo=bundled if settings.BUNDLED_VALKEY else own,
    )


def _deaf(worker: str, seconds: float) -> Unheard:
    return Unheard(
        title=f"{worker.partition('@')[0]} hears nothing from Redis",
        since=_minute(seconds),
        means="Deploys go on, by its looks at the database: each step that it does starts up to 3 s later.",
        todo="If it stays deaf while Redis answers, it ends and is started anew by whoever keeps it; see its log.",
    )


def _minute(seconds: float) -> datetime:
    return (timezone.now() - timedelta(seconds=seconds)).replace(second=0, microsecond=0)
