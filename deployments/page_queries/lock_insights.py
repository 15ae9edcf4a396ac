"""Locks of the last thirty days in numbers: how long, how often taken over or gone over, where and by whom."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, F, Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from environments import locks, sight
from environments.models import Lock, User
from notifications.models import Event

DAYS = 30
MOST = 5
HOUR = timedelta(hours=1)
OVER = ("lock.overridden", "lock.rolled_back_over")
TAKEN = "lock.taken_over"


@dataclass(slots=True)
class Share:
    """How many hours somebody, or some place, was locked."""

    name: str
    hours: int


@dataclass(slots=True)
class LockInsights:
    hours: int
    overrides: int
    taken: int
    places: list[Share]
    people: list[Share]


def read_insights(viewer: User, *, now: datetime) -> LockInsights:
    """Of what `viewer` may view. Two queries, over rows of these days alone; the longest five of each."""
    since = now - timedelta(days=DAYS)
    counted = dict(
        Event.objects.filter(sight.of_events(viewer), kind__in=(*OVER, TAKEN), at__gt=since)
        .order_by()
        .values_list("kind")
        .annotate(number=Count("id"))
    )
    places: dict[str, timedelta] = defaultdict(timedelta)
    people: dict[str, timedelta] = defaultdict(timedelta)
    for place, holder, length in _spans(viewer, since, now):
        places[place or "everything"] += length
        people[holder] += length
    return LockInsights(
        hours=round(sum(places.values(), timedelta()) / HOUR),
        overrides=sum(counted.get(kind, 0) for kind in OVER),
        taken=counted.get(TAKEN, 0),
        places=_longest(places),
        people=_longest(people),
    )


def _longest(found: dict[str, timedelta]) -> list[Share]:
    longest = sorted(found.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    return [Share(name, round(length / HOUR)) for name, length in longest]


def _spans(viewer: User, since: datetime, now: datetime) -> Iterable[tuple[str | None, str, timedelta]]:
    """For each environment and holder how long their locks of these days lasted within them."""
    moment = Value(now, output_field=DateTimeField())
    end = Coalesce("released_at", Least(Coalesce("until", moment), moment))
    start = Greatest(F("since"), Value(since, output_field=DateTimeField()))
    length = ExpressionWrapper(end - start, output_field=DurationField())
    late = Q(released_at=None) | Q(released_at__gt=since)
    rows = Lock.objects.filter(late, locks.visible(viewer), machines_only=False, offered=False, since__lt=now)
    return rows.order_by().values_list("environment__name", "holder_name").annotate(total=Sum(length))
