"""Ways through the state machine that chance seldom takes, and that it would take long to find a fault on."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployments import lifecycle
from deployments.models import Deploy, Program, Release
from tests.deployments import model_choices
from tests.deployments.ended import statuses
from tests.deployments.model_links import FLEET, Link
from tests.deployments.model_truths import Truths
from tests.deployments.model_world import Trap, World

pytestmark = [pytest.mark.django_db(transaction=True)]
MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(**fields: Any) -> World:
        made.append(World(**fields))
        made[-1].check = Truths(made[-1]).check
        return made[-1]

    yield make
    for world in made:
        world.close()


def _requested(world: World, *, fails: int = 0) -> Deploy:
    """One that went its whole way, but that so many steps on the last host fail."""
    list(world.hosts.values())[-1].failing = fails
    world.do("request")
    return _ended(world)


def _ended(world: World) -> Deploy:
    world.work(12)
    return Deploy.objects.filter(target=world.target).latest("number")


def _fail_after_the_switch(world: World, deploy: Deploy) -> None:
    """A way back that all hosts take, and whose restart fails on all of them."""
    lifecycle.roll_back(world.target, to=deploy, by=world.by)
    for host in world.hosts.values():
        host.failing = 1
    assert _ended(world).status == "failed"


@pytest.mark.both_databases
@pytest.mark.parametrize(("hosts", "fails", "status"), [(1, 2, "failed"), (2, 2, "partial")])
def test_the_way_back_goes_past_what_was_not_good(make_world: MakeWorld, hosts: int, fails: int, status: str) -> None:
    world = make_world(hosts=hosts, needed=50, on_failure="quarantine")
    statuses = [_requested(world, fails=fails if n == 1 else 0).status for n in range(3)]
    assert statuses == ["succeeded", status, "succeeded"]
    model_choices.roll_back(world)
    assert Deploy.objects.latest("number").release == Deploy.objects.earliest("number").release


def test_the_way_back_goes_past_a_good_one_that_failed_later(make_world: MakeWorld) -> None:
    world = make_world(hosts=2)
    first, second = _requested(world), _requested(world)
    lifecycle.roll_back(world.target, to=first, by=world.by)
    assert _ended(world).status == "succeeded"
    _fail_after_the_switch(world, second)
    assert Release.objects.get(deploys=second).bad
    assert _requested(world).status == "succeeded"
    model_choices.roll_back(world)
    assert Deploy.objects.latest("number").release == first.release


@pytest.mark.both_databases
@pytest.mark.parametrize("takes", [False, True], ids=["others", "itself"])
def test_no_word_for_a_wave_of_which_one_claim_was_lost_at_the_last_moment(make_world: MakeWorld, takes: bool) -> None:
    world = make_world(hosts=3, needed=50)
    world.do("request")
    world.work(1)
    script = ("take one",) if not takes else ()
    with world.trapped(Trap("sleep", 0, "word", script, takes=takes)):
        world.work(1)
    assert [host.current for host in world.hosts.values()] == [""] * 3
    assert _ended(world).status == "succeeded"


POINTS = ("taken", "connect", "connected", "send", "sent", "receive", "move", "record", "word", "result")


@pytest.mark.parametrize("where", POINTS)
def test_a_claim_that_the_same_worker_has_renewed_by_a_later_one_writes_nothing(
    make_world: MakeWorld, where: str
) -> None:
    """It slept, its claims lapsed, and as it woke its sweep was quicker than the thread that had them before."""
    world = make_world(hosts=2, once=True)
    for after, script, renews, fails in ((0, ("work",), True, 0), (1, (), False, 0), (0, (), False, 1)):
        for host in world.hosts.values():
            host.failing = fails
        world.do("request")
        with world.trapped(Trap("sleep", after, where, script, renews=renews, takes=True)):
            world.work(12)
        world.check()
    world.settle()
    world.check()
    assert not world.woken, "each sleeper has been looked at"


@pytest.mark.parametrize("goes", ["cut off", "restarted"])
@pytest.mark.parametrize("after", [0, 2])
def test_what_may_not_be_repeated_goes_to_no_other_host(make_world: MakeWorld, goes: str, after: int) -> None:
    """The host that it was given to goes away after so many words of it, and what runs there runs on."""
    world = make_world(hosts=2, once=True, needed=50)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    first = world.hosts[deploy.runs.order_by("pk")[0].host_name]
    heard = []

    def point(link: Link | None, where: str) -> None:
        if link is not None and link.host is first and where == "receive":
            heard.append(where)
            if len(heard) > after:
                first.reboot() if goes == "restarted" else setattr(first, "down", True)

    FLEET.point = point
    world.work(1)
    FLEET.point = world.point
    first.down = False
    deploy = _ended(world)
    first.go_on(10)
    world.check()
    assert sorted(statuses(deploy)) == ["skipped", "unknown" if goes == "restarted" else "unreachable"]
    assert Program.objects.filter(phase="once").count() == 1
    assert "the step may not run twice. Nothing was switched." in deploy.runs.get(status="skipped").error
