"""What is known of hosts at a glance: set aside, silent, only observed, differing, empty or fine."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from deployments.models import Drift, Placement
from deployments.page_queries.words import Mark
from environments.models import Aside, Host

LATE = timedelta(seconds=60)  # a host that was asked longer ago than this and has not answered is silent

FINE = Mark("h-live", "ok", "as intended")
EMPTY = Mark("h-waiting", "idle", "nothing deployed yet")
SILENT = Mark("h-unknown", "warn", "did not answer")
ASIDE = {
    Aside.DRAINED: Mark("h-skipped", "idle", "drained"),
    Aside.QUARANTINED: Mark("h-skipped", "bad", "quarantined"),
}
OBSERVED = Mark("h-waiting", "idle", "only observed")
DRIFT = {
    Drift.BROKEN: Mark("h-failed", "bad", "its current leads nowhere"),
    Drift.OUTSIDE: Mark("h-drift", "bad", "switched from outside"),
    Drift.NOTHING: Mark("h-drift", "bad", "runs nothing yet"),
    Drift.BEHIND: Mark("h-drift", "bad", "behind"),
}  # the worst first


class Standing(NamedTuple):
    """What the map needs of a host: a thousand of these cost less than the models would."""

    pk: int
    name: str
    aside: str
    asked_at: datetime | None
    heard_at: datetime | None
    zone: str
    region: str
    observed: bool = False


@dataclass(slots=True)
class Marks:
    """What is known of hosts beyond their own rows, by id."""

    drift: dict[int, str]
    placed: set[int]


def read_marks(*hosts: Host) -> Marks:
    """Two queries: over what is unusual, and which hosts have anything at all; of all hosts, or of these."""
    places = Placement.objects.filter(host__in=hosts, colour="") if hosts else Placement.objects.filter(colour="")
    drift: dict[int, str] = {}
    order = list(DRIFT)
    for host_id, word in places.exclude(drift="").order_by().values_list("host_id", "drift").distinct():
        if host_id not in drift or order.index(Drift(word)) < order.index(Drift(drift[host_id])):
            drift[host_id] = word
    placed = Placement.objects.filter(host=OuterRef("pk"), current__isnull=False)
    able = Host.objects.filter(pk__in=[host.pk for host in hosts]) if hosts else Host.objects.all()
    return Marks(drift, set(able.filter(Exists(placed)).order_by().values_list("pk", flat=True)))


def read_standings(hosts: QuerySet[Host]) -> list[Standing]:
    """One query."""
    columns = ("pk", "name", "aside", "asked_at", "heard_at", "zone__name", "zone__region__name", "observed")
    rows = hosts.order_by("name").values_list(*columns)
    return [
        Standing(pk, name, aside, asked, heard, zone or "", region or "", observed)
        for pk, name, aside, asked, heard, zone, region, observed in rows
    ]


def mark_of(host: Host | Standing, marks: Marks) -> Mark:
    """The one state that matters most: set aside, silent, only observed, differing, empty, fine."""
    if host.aside:
        return ASIDE[Aside(host.aside)]
    if is_silent(host.heard_at, host.asked_at):
        return SILENT
    if host.observed:
        return OBSERVED
    if host.pk in marks.drift:
        return DRIFT[Drift(marks.drift[host.pk])]
    return FINE if host.pk in marks.placed else EMPTY


def is_silent(answered: datetime | None, asked: datetime | None) -> bool:
    return asked is not None and (answered is None or answered < asked - LATE)
