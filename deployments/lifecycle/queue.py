"""Whose turn is next."""

from django.db.models import Case, Value, When

from deployments import turns
from deployments.models import Deploy, Kind
from environments import locks
from environments.models import Target


def next_waiting(target: Target) -> Deploy | None:
    """The deploy whose turn is next: a rollback, then in the order in which they were requested.

    One that a lock holds has no turn, and a person whom a lock stops lets those pass who may.
    """
    urgent = Case(When(kind=Kind.ROLLBACK, then=Value(0)), default=Value(1))
    rows = turns.waiting(target).order_by(urgent, "number")
    related = ("target__application", "target__environment", "by", "let_go_by", "met_lock")
    return turns.first_of(rows.select_related(*related), locks.applying(target))
