"""Moving a deploy to the front while the one before it starts: never two at once, none forgotten."""

from contextlib import suppress
from functools import partial

import pytest

from deployments import doorbell, engine, lifecycle
from deployments.lifecycle import NothingToMove
from deployments.models import Deploy
from deployments.states import ACTIVE, DeployStatus
from environments.models import Role
from tests import builders
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request
from tests.deployments.test_approval_races import at_once, to_nobody

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
ROUNDS = 6


def test_moving_to_the_front_races_with_starting(make_place: MakeFleetTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "publish", lambda task, args: True)
    place, chief = make_place(hosts=1), builders.make_user(role=Role.ADMINISTRATOR)

    def move(deploy: Deploy) -> None:
        """Whoever comes too late is told that it does not wait any more, or is the first already."""
        with suppress(NothingToMove):
            lifecycle.move_to_front(Deploy.objects.select_related("target").get(pk=deploy.pk), by=chief)

    for _ in range(ROUNDS):
        running = request(place)
        waiting = [request(place, wait=True) for _ in range(3)]
        end(running, live=1)
        starts = [partial(engine.advance, one.pk, offer=to_nobody) for one in waiting]
        at_once(*starts, partial(move, waiting[2]), partial(move, waiting[1]))
        began = list[int]()
        for left in (2, 1, 0):
            for one in waiting:  # as the sweep does, for nobody was rung
                engine.advance(one.pk, offer=to_nobody)
            (active,) = Deploy.objects.filter(target=place.target, status__in=ACTIVE)
            assert Deploy.objects.filter(target=place.target, status=DeployStatus.WAITING).count() == left
            began.append(active.pk)
            end(active, live=1)
        assert sorted(began) == [one.pk for one in waiting]
