"""How far is each target behind the environment before it? Counted by a worker in the cached mirror, not for a page."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from deployments.models import Standing
from environments import repositories
from environments.models import Application
from notifications import live

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
ALL_SECONDS = 60.0  # the order of environments may have changed
RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pair:
    """What is live on a target, and what is live in the environment before it that has the application."""

    standing: int
    application: int
    here: str
    before: str

    @property
    def key(self) -> str:
        return key_of(self.here, self.before)


def key_of(here: str, before: str) -> str:
    """What `Standing.compared` says when its numbers are true of these two revisions."""
    return f"{here}.{before}"


def request(application_id: int) -> None:
    """Something else is live on a target of this application: its distances are to be counted."""
    Standing.objects.filter(target__application=application_id).update(compared="")


class Distances:
    """The look of one worker."""

    def __init__(self) -> None:
        self._all_at = 0.0
        self._failed: dict[str, float] = {}  # pairs that this machine's mirror could not tell, and when

    def look(self) -> None:
        """Count what nobody has counted yet. Called every LOOK_SECONDS."""
        now = time.monotonic()
        applications = None
        if now < self._all_at + ALL_SECONDS:
            fresh = Standing.objects.filter(compared="", live__isnull=False, target__name="")
            applications = set(fresh.values_list("target__application", flat=True))
            if not applications:
                return
        else:
            self._all_at = now
        self._failed = {key: at for key, at in self._failed.items() if now < at + RETRY_SECONDS}
        wrong = [pair for pair in read_pairs(applications) if pair.key not in self._failed]
        for application_id, pairs in _by_application(wrong).items():
            self._count(Application.objects.get(pk=application_id), pairs)

    def _count(self, application: Application, pairs: Sequence[Pair]) -> None:
        for pair in pairs:
            try:
                numbers = count(application, pair)
            except (repositories.RepositoryError, FileNotFoundError) as trouble:  # the latter: no mirror here yet
                log.info("How far %s is behind is not known: %s", application, trouble)
                self._failed[pair.key] = time.monotonic()
                continue
            row = Standing.objects.filter(pk=pair.standing)
            row.update(behind=numbers[0], ahead=numbers[1], compared=pair.key)
        transaction.on_commit(lambda: live.changed("deploys", f"application/{application.name}"))


def count(application: Application, pair: Pair) -> tuple[int | None, int | None]:
    """Commits behind, commits ahead; None for the first environment. Raises RepositoryError, FileNotFoundError."""
    if not pair.before:
        return None, None
    if pair.here == pair.before:
        return 0, 0
    return (
        repositories.count_between(application, pair.here, pair.before),
        repositories.count_between(application, pair.before, pair.here),
    )


def read_pairs(applications: set[int] | None = None) -> list[Pair]:
    """Those whose numbers are of other revisions than what is live now; of these applications, or of all."""
    rows = _standings(applications).values_list(
        "pk", "target__application_id", "live__revision", "compared", named=True
    )
    found: list[Pair] = []
    before: dict[int, str] = defaultdict(str)
    for row in rows:
        pair = Pair(row.pk, row.target__application_id, row.live__revision, before[row.target__application_id])
        before[pair.application] = pair.here
        if row.compared != pair.key:
            found.append(pair)
    return found


def _standings(applications: set[int] | None) -> QuerySet[Standing]:
    """In the order of the environments; those of endpoints are beside it."""
    rows = Standing.objects.filter(live__isnull=False, target__name="")
    if applications is not None:
        rows = rows.filter(target__application__in=applications)
    return rows.order_by("target__application_id", "target__environment__position", "target__environment__name")


def _by_application(pairs: Sequence[Pair]) -> dict[int, list[Pair]]:
    groups: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.application].append(pair)
    return groups
