"""The wall clock is set back between two requests: what was asked for first is still first."""

from datetime import timedelta

import pytest

from deployments import lifecycle
from deployments.models import Deploy
from tests.deployments.ended import request
from tests.deployments.fleet import FleetTarget

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def test_turns_go_by_number_and_not_by_time(place: FleetTarget) -> None:
    request(place)
    first, second = request(place, "v1", wait=True), request(place, wait=True)
    Deploy.objects.filter(pk=second.pk).update(requested_at=first.requested_at - timedelta(hours=1))
    assert lifecycle.next_waiting(place.target) == first
