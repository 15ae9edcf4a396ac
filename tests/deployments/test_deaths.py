"""Workers that die at one named point, and what those who adopt their work may then say of the hosts."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from deployments import lifecycle
from deployments.models import Deploy, HostRun
from tests.deployments.model_hosts import ModelHost
from tests.deployments.model_links import FLEET
from tests.deployments.model_truths import Truths
from tests.deployments.model_world import REFUSALS, Trap, World


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    made = World(hosts=2)
    made.hosts.update(sorted((name, made.hosts.pop(name)) for name in list(made.hosts)))  # in the order of host runs
    made.check = Truths(made).check
    yield made
    made.close()


def _switched_and_died(world: World) -> tuple[Deploy, list[ModelHost]]:
    """All hosts have switched, and the worker died before a row said so."""
    deploy = lifecycle.request_deploy(target=world.target, ref="main", by=world.by)
    with world.trapped(Trap("kill", 0, "record")):
        world.work(12)
    hosts = list(world.hosts.values())
    assert [host.current for host in hosts] == [deploy.release and deploy.release.name] * 2
    assert set(deploy.runs.values_list("status", flat=True)) == {"prepared"}
    return deploy, hosts


def _prepared(world: World) -> Deploy:
    deploy = lifecycle.request_deploy(target=world.target, ref="main", by=world.by)
    world.work(1)
    assert [row.status for row in _rows(deploy)] == ["prepared", "prepared"]
    return deploy


def _rows(deploy: Deploy) -> list[HostRun]:
    return list(deploy.runs.order_by("pk"))


@pytest.mark.both_databases
def test_a_host_that_got_the_word_and_cannot_be_asked_is_unknown(world: World) -> None:
    deploy, hosts = _switched_and_died(world)
    hosts[1].down = True
    world.pass_time(12)
    world.work(12)
    deploy.refresh_from_db()
    assert (deploy.status, [row.status for row in _rows(deploy)]) == ("needs_attention", ["live", "unknown"])
    assert f"which release serves there: {hosts[1].name} cannot be reached" in _rows(deploy)[1].error
    world.check()


@pytest.mark.both_databases
def test_who_has_switched_already_is_taken_along_however_few_can_be_asked(world: World) -> None:
    """All were prepared, or none would have got the word: the rest cannot be "too few" afterwards."""
    type(world.target).objects.filter(pk=world.target.pk).update(needed=100)
    world.target.refresh_from_db()
    deploy, hosts = _switched_and_died(world)
    hosts[1].down = True
    world.pass_time(12)
    world.work(12)
    assert [row.status for row in _rows(deploy)] == ["live", "unknown"]
    world.check()


@pytest.mark.both_databases
def test_a_host_that_never_got_the_word_is_known_not_to_have_switched(world: World) -> None:
    deploy = _prepared(world)
    list(world.hosts.values())[1].down = True
    world.work(12)
    deploy.refresh_from_db()
    assert (deploy.status, [row.status for row in _rows(deploy)]) == ("partial", ["live", "unreachable"])
    assert "What it served before is still current." in _rows(deploy)[1].error
    world.check()


@pytest.mark.both_databases
def test_why_a_host_did_not_switch_is_told_in_its_own_words(world: World) -> None:
    """The worker sleeps between arming and the word, for longer than hosts wait."""
    deploy = _prepared(world)
    first = world.hosts[_rows(deploy)[0].host_name]

    def late(link: object, where: str) -> None:
        if where == "send":
            first.wait_for_words()

    FLEET.point = late
    world.work(12)
    row = _rows(deploy)[0]
    assert (row.status, row.error_kind) == ("failed", "not-switched")
    assert f"{first.name} could not be switched: the word did not come" in row.error


POINTS = ("decide", "taken", "connect", "connected", "send", "sent", "receive", "move", "record", "result")


# what stands in the database's way is the same in both: on PostgreSQL one of them is tried
SCRIPTS = (pytest.param(("work",), marks=pytest.mark.both_databases), ("cancel", "finish"))


@pytest.mark.parametrize("where", POINTS)
@pytest.mark.parametrize("script", SCRIPTS, ids="-".join)
def test_a_worker_that_slept_too_long_writes_nothing(world: World, where: str, script: tuple[str, ...]) -> None:
    """Whatever it was about to do: others have gone on, and `World` compares all rows before and after it wakes."""
    for after in range(2):
        with suppress(*REFUSALS):
            lifecycle.request_deploy(target=world.target, ref="main", by=world.by, wait=True)
        with world.trapped(Trap("sleep", after, where, script)):
            world.work(12)
        world.check()
    world.settle()
    world.check()
    assert not world.woken, "each sleeper has been looked at"
