"""What an end says of hosts and releases is so: on hosts in memory, with a worker that dies or a host that goes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import F

from deployments import arming, lifecycle
from deployments.models import Deploy, HostRun
from deployments.runs import release_of
from tests.deployments.ended import errors, statuses
from tests.deployments.model_world import Trap, World

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(**fields: Any) -> World:
        made.append(World(**fields))
        return made[-1]

    yield make
    for world in made:
        world.close()


def deployed(world: World) -> Deploy:
    """One that went its whole way."""
    world.do("request")
    world.work(12)
    deploy = Deploy.objects.filter(target=world.target).latest("number")
    assert deploy.status == "succeeded", deploy.reason
    return deploy


def ended(world: World, deploy: Deploy) -> Deploy:
    world.work(12)
    deploy.refresh_from_db()
    return deploy


def run_of(deploy: Deploy, host: int) -> HostRun:
    return deploy.runs.order_by("pk")[host]


@pytest.mark.parametrize("word", ["not said", "about to be said"])
def test_a_way_back_to_what_serves_that_is_cancelled_has_switched_nothing(word: str, make_world: MakeWorld) -> None:
    world = make_world(hosts=2)
    first = deployed(world)
    back = lifecycle.roll_back(world.target, to=first, by=world.by)
    if word != "not said":
        with world.trapped(Trap("kill", 0, "send")):
            world.work(1)
        world.pass_time(9)
        assert [run.step for run in back.runs.all()] == ["switching"] * 2
    lifecycle.request_cancel(back, by=world.by)
    ended(world, back)
    assert (back.status, back.reason) == ("cancelled", "Cancelled; nothing was switched.")
    assert set(errors(back).values()) == {"What it served before is still current."}
    assert not back.runs.filter(switched_at__isnull=False).exists()


def test_what_served_before_is_known_after_a_death_at_the_switch(make_world: MakeWorld) -> None:
    world = make_world(hosts=1)
    first = deployed(world)
    world.do("request")
    with world.trapped(Trap("kill", 0, "record")):
        world.work(4)
    world.pass_time(9)
    second = ended(world, Deploy.objects.latest("number"))
    assert (second.status, run_of(second, 0).previous) == ("succeeded", release_of(first).name)


def test_all_or_none_is_asked_again_when_a_host_cannot_be_armed(make_world: MakeWorld) -> None:
    world = make_world(hosts=2, on_failure="abort", needed=50)
    before = deployed(world)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    assert statuses(deploy) == ["prepared", "prepared"]
    away = list(world.hosts.values())[1]
    away.down = True
    ended(world, deploy)
    assert (deploy.status, statuses(deploy)) == ("failed", ["skipped", "unreachable"])
    assert {host.current for host in world.hosts.values()} == {release_of(before).name}
    assert "switches all hosts or none" in errors(deploy)[run_of(deploy, 0).host_name]


@pytest.mark.parametrize(("needed", "switched"), [(60, [True, False, False]), (100, [False, False, False])])
def test_hosts_that_another_process_arms_count_as_they_are(
    needed: int, switched: list[bool], make_world: MakeWorld
) -> None:
    """As where regions have queues: this process arms two of three hosts, and one of them is down."""
    world = make_world(hosts=3, needed=needed)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    assert statuses(deploy) == ["prepared"] * 3
    list(world.hosts.values())[1].down = True
    world.deliver((deploy.pk, "switch", [run_of(deploy, 0).pk, run_of(deploy, 1).pk]))
    assert [bool(host.current) for host in world.hosts.values()] == switched
    world.deliver((deploy.pk, "switch", [run_of(deploy, 2).pk]))
    assert [run.switched_at is not None for run in deploy.runs.order_by("pk")] == [switched[0], False, True]


def test_hosts_of_one_queue_do_not_wait_for_the_other_queue_to_switch(make_world: MakeWorld) -> None:
    world = make_world(hosts=2, needed=100)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    for host in (0, 1):
        world.deliver((deploy.pk, "switch", [run_of(deploy, host).pk]))
    assert statuses(deploy) == ["switched", "switched"]


def test_a_release_that_serves_is_not_bad_because_it_could_not_be_brought_back(make_world: MakeWorld) -> None:
    world = make_world(hosts=2)
    first = deployed(world)
    lone = list(world.hosts.values())[1]
    lone.current = ""
    lone.releases.clear()
    lone.good.clear()
    lone.flipped.clear()
    world.converge()
    lone.down = True
    failed = ended(world, Deploy.objects.latest("number"))
    assert (failed.kind, failed.status) == ("converge", "failed")
    assert not release_of(Deploy.objects.select_related("release").get(pk=first.pk)).bad


def test_a_release_that_serves_elsewhere_is_not_bad_because_one_host_did_not_start_it(make_world: MakeWorld) -> None:
    world = make_world(hosts=2)
    first = deployed(world)
    lone = list(world.hosts.values())[1]
    lone.current = ""
    lone.flipped.clear()
    world.converge()
    converging = Deploy.objects.latest("number")
    while statuses(converging) != ["switched"]:
        world.work(1)
    lone.failing = 1
    ended(world, converging)
    assert (converging.kind, converging.status) == ("converge", "failed")
    assert not release_of(Deploy.objects.select_related("release").get(pk=first.pk)).bad


def test_no_retry_goes_behind_a_switch_that_nobody_could_ask_about(make_world: MakeWorld) -> None:
    world = make_world(hosts=2, needed=50)
    list(world.hosts.values())[1].down = True
    world.do("request")
    old = ended(world, Deploy.objects.latest("number"))
    assert old.status == "partial"
    world.do("request")
    with world.trapped(Trap("kill", 0, "record")):
        world.work(4)
    newer = Deploy.objects.latest("number")
    for host in world.hosts.values():
        host.down = True
    world.pass_time(9)
    ended(world, newer)
    assert (newer.status, run_of(newer, 0).status) == ("needs_attention", "unknown")
    with pytest.raises(lifecycle.NothingToRetry, match=f"#{newer.number} has switched hosts"):
        lifecycle.retry(old, by=world.by)


def test_who_gives_up_on_a_host_that_had_the_word_does_not_say_that_nothing_was_switched(make_world: MakeWorld) -> None:
    world = make_world(hosts=1)
    world.do("request")
    with world.trapped(Trap("kill", 0, "record")):
        world.work(4)
    deploy = Deploy.objects.latest("number")
    lifecycle.request_cancel(deploy, by=world.by)
    world.give_up()
    deploy.refresh_from_db()
    run = run_of(deploy, 0)
    assert (deploy.status, run.status) == ("cancelled", "unknown")
    assert f"Nobody knows what {run.host_name} runs; look there." in deploy.reason
    assert run.error.endswith("It was told to switch, and nobody knows whether it did.")


def once_ran(world: World) -> int:
    """How often the step that runs once has come to its end, on any host."""
    done = [effect for host in world.hosts.values() for effect in host.journal if effect.detail == "migrate"]
    return sum(effect.what == "done" for effect in done)


def test_what_runs_once_does_not_run_again_in_a_retry_of_a_retry(make_world: MakeWorld) -> None:
    world = make_world(hosts=2, once=True, needed=50)
    away = list(world.hosts.values())[1]
    away.down = True
    world.do("request")
    deploy = ended(world, Deploy.objects.latest("number"))
    for _ in range(2):
        assert (deploy.status, once_ran(world)) == ("partial" if deploy.kind == "deploy" else "failed", 1)
        deploy = ended(world, lifecycle.retry(deploy, by=world.by))
    away.down = False
    last = ended(world, lifecycle.retry(deploy, by=world.by))
    assert (last.status, once_ran(world)) == ("succeeded", 1)


def test_the_retry_of_a_way_back_migrates_as_little_as_the_way_back(make_world: MakeWorld) -> None:
    world = make_world(hosts=2, once=True, needed=100)
    first = deployed(world)
    deployed(world)
    for host in world.hosts.values():
        host.down = True
    back = ended(world, lifecycle.roll_back(world.target, to=first, by=world.by))
    assert (back.status, once_ran(world)) == ("failed", 2)
    for host in world.hosts.values():
        host.down = False
    again = ended(world, lifecycle.retry(back, by=world.by))
    assert (again.status, once_ran(world)) == ("succeeded", 2)


def test_a_host_that_no_word_was_for_is_not_unknown_when_it_goes_away(make_world: MakeWorld) -> None:
    world = make_world(hosts=2)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    list(world.hosts.values())[1].down = True
    lifecycle.request_cancel(deploy, by=world.by)
    ended(world, deploy)
    assert (statuses(deploy), deploy.reason) == (["cancelled"] * 2, "Cancelled; nothing was switched.")


def test_a_wave_gets_no_word_while_another_worker_has_a_claim_on_a_part_of_it(make_world: MakeWorld) -> None:
    world = make_world(hosts=3, needed=50)
    world.do("request")
    world.work(1)
    world.contest_switch()
    deploy = Deploy.objects.latest("number")
    assert [host.current for host in world.hosts.values()] == [""] * 3
    assert ended(world, deploy).status == "succeeded"


def test_no_word_when_a_claim_is_lost_while_others_are_armed(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(hosts=2)
    world.do("request")
    world.work(1)
    deploy = Deploy.objects.latest("number")
    arm = arming.arm_host

    def armed(item: arming.Armed, channels: arming.Arming) -> None:
        arm(item, channels)
        HostRun.objects.filter(pk=run_of(deploy, 0).pk).update(fence=F("fence") + 1)

    with monkeypatch.context() as patch:
        patch.setattr(arming, "arm_host", armed)
        world.deliver((deploy.pk, "switch", [run.pk for run in deploy.runs.order_by("pk")]))
    assert world.wrong is None, world.wrong
    assert [host.current for host in world.hosts.values()] == ["", ""]
