"""Whose turn is next."""

from django.db.models import Case, Value, When

from deployments.models import Deploy, Kind
from deployments.states import DeployStatus
from environments.models import Target

S = DeployStatus


def next_waiting(target: Target) -> Deploy | None:
    """The deploy whose turn is next: a rollback, then in the order in which they were requested."""
    urgent = Case(When(kind=Kind.ROLLBACK, then=Value(0)), default=Value(1))
    waiting = Deploy.objects.filter(target=target, status=S.WAITING).order_by(urgent, "number")
    return waiting.select_related("target__application", "target__environment", "by").first()
