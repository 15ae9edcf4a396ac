"""Many at once: one deploy per target, numbers without gaps, one end."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from deployments import doorbell, engine, lifecycle
from deployments.blockers import Blocked
from deployments.models import Deploy, HostRun, Release
from environments.models import Target
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request
from tests.deployments.fleet import FleetTarget

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nobody_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker has no part in these races."""
    monkeypatch.setattr(doorbell, "publish", lambda task, args: True)


def at_once(acts: Iterable[Callable[[], str]], threads: int) -> Counter[str]:
    """Begin all at the same moment; how often each answer came."""
    together = threading.Barrier(threads)

    def run(act: Callable[[], str]) -> str:
        try:
            together.wait(60)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(run, acts))


def try_request(place: FleetTarget, wait: bool = False) -> str:
    try:
        return request(place, wait=wait).status
    except Blocked as refused:
        return str(refused)


def test_of_sixty_requests_one_becomes_active(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=2)
    end(request(place))  # the mirror is there: sixty fetches would take turns
    answers = at_once([partial(try_request, place)] * 60, 60)
    assert answers == {"running": 1, f"{place.target.slug} cannot be deployed now: #2 is running.": 59}
    assert list(Deploy.objects.order_by("number").values_list("number", "status")) == [
        (1, "succeeded"),
        (2, "running"),
    ]
    assert (Release.objects.count(), HostRun.objects.count()) == (2, 4)
    assert Target.objects.get(pk=place.target.pk).last_number == 2
    assert Event.objects.filter(kind="deploy.requested").count() == 2


def test_of_twenty_that_wait_all_are_numbered_and_one_runs(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1)
    answers = at_once([partial(try_request, place, True)] * 20, 20)
    assert answers == {"running": 1, "waiting": 19}
    assert sorted(Deploy.objects.values_list("number", flat=True)) == list(range(1, 21))


def test_a_deploy_ends_once_however_many_advance_it(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=2)
    deploy = request(place)
    waiting = [request(place, wait=True) for _ in range(2)]
    HostRun.objects.filter(deploy=deploy).update(status="live")

    def advance() -> str:
        engine.advance(deploy.pk, offer=lambda *_: None)
        return Deploy.objects.get(pk=deploy.pk).status

    assert at_once([advance] * 12, 12) == {"succeeded": 12}
    assert Event.objects.filter(kind="deploy.succeeded", deploy=deploy.pk).count() == 1
    assert deploy.chunks.filter(text="2 of 2 hosts are live.").count() == 1

    def start() -> str:
        engine.advance(waiting[1].pk, offer=lambda *_: None)
        return "done"

    assert at_once([start] * 12, 12) == {"done": 12}
    assert [Deploy.objects.get(pk=one.pk).status for one in waiting] == ["running", "waiting"]
    assert Event.objects.filter(kind="deploy.started").count() == 1


def test_a_cancel_and_an_end_at_once_leave_one_truth(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1)
    deploy = request(place)

    def cancel() -> str:
        try:
            lifecycle.request_cancel(Deploy.objects.get(pk=deploy.pk), by=place.by)
        except lifecycle.NothingToCancel:
            return "too late"
        return "cancelling"

    def finish() -> str:
        return str(lifecycle.end(Deploy.objects.get(pk=deploy.pk), "failed", "It failed."))

    answers = at_once([cancel, finish] * 6, 12)
    deploy.refresh_from_db()
    assert (deploy.status, answers["True"], answers["False"]) == ("failed", 1, 5)
    assert Event.objects.filter(kind="deploy.failed").count() == 1
    assert Event.objects.filter(kind="deploy.cancelling").count() <= 1
