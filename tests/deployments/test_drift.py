"""What hosts really run: seen after each deploy, told where it differs, and converged."""

import os
import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import drift, lifecycle, silent_hosts
from deployments.drift import Seen, judge
from deployments.models import Deploy, Drift, Kind, Placement, Standing
from deployments.refusals import NothingToConverge
from deployments.runs import release_of
from environments import ssh
from environments.access import NotAllowed
from environments.models import Host, Target, User
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, end, request, statuses
from tests.deployments.fleet import Driver, FleetTarget, closed_port, step

pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize(
    ("seen", "placed", "word"),
    [
        (Seen("new"), "new", ""),
        (Seen("new"), "old", ""),
        (Seen("old"), "old", Drift.BEHIND),
        (Seen("old"), "new", Drift.OUTSIDE),
        (Seen("by-hand"), "", Drift.OUTSIDE),
        (Seen(""), "", Drift.NOTHING),
        (Seen(""), "new", Drift.NOTHING),
        (Seen("new", whole=False), "new", Drift.BROKEN),
        (Seen("", whole=False), "new", Drift.BROKEN),
    ],
)
def test_it_is_judged_by_what_is_live_and_what_we_put_there(seen: Seen, placed: str, word: str) -> None:
    assert judge(seen, placed=placed, intended="new") == word


def switch_by_hand(place: FleetTarget, host: str, release: str) -> None:
    link = place.root(host) / "current"
    (place.root(host) / "next").symlink_to(f"releases/{release}")
    os.rename(place.root(host) / "next", link)


def drifts(place: FleetTarget) -> dict[str, str]:
    rows = Placement.objects.filter(target=place.target).values_list("host__name", "drift")
    return {name: word for name, word in rows if word}


def two_deploys(place: FleetTarget, driver: Driver) -> tuple[Deploy, Deploy]:
    return driver.run_to_end(request(place, "v1")), driver.run_to_end(request(place))


def test_a_switch_from_outside_is_told_and_never_undone_by_itself(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(hosts=3, catch_up=True)
    old, new = two_deploys(place, driver)
    one, two, three = place.homes
    drift.look_around()
    assert drifts(place) == {}
    assert set(Placement.objects.filter(target=place.target).values_list("seen", flat=True)) == {release_of(new).name}
    switch_by_hand(place, one, release_of(old).name)
    (place.root(two) / "current").unlink()
    shutil.rmtree(place.root(three) / "releases" / release_of(new).name)
    assert drift.look_at(place.target) == 3
    assert drifts(place) == {one: Drift.OUTSIDE, two: Drift.NOTHING, three: Drift.BROKEN}
    told = Event.objects.filter(kind="host.drifted")
    assert sorted(event.facts["drift"] for event in told) == ["broken", "nothing", "outside"]
    drift.look_at(place.target)
    assert told.count() == 3, "what is known already is not told again"
    Standing.objects.update(looked_at=None)
    drift.look_around()
    assert not Deploy.objects.filter(kind=Kind.CONVERGE).exists(), (
        "all three have what is live, as far as we put it there"
    )


def test_a_person_converges_just_these_hosts(make_fleet_target: MakeFleetTarget, driver: Driver, viewer: User) -> None:
    place = make_fleet_target(hosts=3, steps=[step("migrate", "echo x >>../../migrated", "once")])
    old, new = two_deploys(place, driver)
    one, _, three = place.homes
    switch_by_hand(place, one, release_of(old).name)
    shutil.rmtree(place.root(three) / "releases" / release_of(new).name)
    drift.look_at(place.target)
    with pytest.raises(NotAllowed):
        lifecycle.converge(place.target, by=viewer)
    converged = driver.run_to_end(lifecycle.converge(place.target, by=place.by))
    assert (converged.status, converged.kind, statuses(converged)) == ("succeeded", Kind.CONVERGE, ["live", "live"])
    assert set(place.current().values()) == {release_of(new).name}
    assert drifts(place) == {}
    assert place.read(next(iter(place.homes)), "migrated") == "x\nx\n", "a migration ran once per deploy already"
    before = counts()
    with pytest.raises(NothingToConverge, match="every host runs what is live"):
        lifecycle.converge(place.target, by=place.by)
    assert counts() == before


def test_a_host_that_was_away_catches_up_if_the_target_says_so(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    fails = 'if [ -e "$DEPLOYER_ROOT/broken" ]; then exit 7; fi'
    place = make_fleet_target(hosts=2, needed=0, steps=[step("build", fails)])
    driver.run_to_end(request(place, "v1"))
    late = list(place.homes)[1]
    mark = place.root(late) / "broken"
    mark.touch()
    new = driver.run_to_end(request(place))
    drift.look_around()
    assert (new.status, drifts(place)) == ("partial", {late: Drift.BEHIND})
    place.target.catch_up = True
    place.target.save()
    for _ in range(drift.CATCH_UPS_MOST + 2):
        Standing.objects.update(looked_at=None)
        drift.look_around()
        for deploy in Deploy.objects.filter(kind=Kind.CONVERGE, finished_at=None):
            driver.run_to_end(deploy)
    tried = Deploy.objects.filter(kind=Kind.CONVERGE)
    assert [(it.status, it.automatic, it.by) for it in tried] == [("failed", True, None)] * drift.CATCH_UPS_MOST
    mark.unlink()
    tried.delete()
    Standing.objects.update(looked_at=None)
    drift.look_around()
    assert driver.run_to_end(Deploy.objects.get(kind=Kind.CONVERGE)).status == "succeeded"
    assert set(place.current().values()) == {release_of(new).name}


def test_hosts_that_were_left_out_on_purpose_do_not_catch_up(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(hosts=2, catch_up=True)
    driver.run_to_end(request(place, "v1"))
    one, two = place.homes
    driver.run_to_end(request(place, hosts=[one]))
    drift.look_around()
    assert drifts(place) == {two: Drift.BEHIND}
    assert not Deploy.objects.filter(kind=Kind.CONVERGE).exists()
    lifecycle.converge(place.target, by=place.by)
    assert driver.run_to_end(Deploy.objects.get(kind=Kind.CONVERGE)).status == "succeeded"
    assert len(set(place.current().values())) == 1


def test_it_is_looked_again_after_each_deploy_and_from_time_to_time(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_fleet_target(hosts=1, drift_minutes=15)
    looked: list[int] = []
    real = drift.look

    def look(targets: list[Target]) -> dict[int, dict[int, Seen]]:
        looked.extend(target.pk for target in targets)
        return real(targets)

    monkeypatch.setattr(drift, "look", look)
    drift.look_around()
    assert looked == [], "nothing is live yet"
    driver.run_to_end(request(place))
    drift.look_around()
    drift.look_around()
    assert looked == [place.target.pk]
    Standing.objects.update(looked_at=timezone.now() - timedelta(minutes=16))
    drift.look_around()
    assert len(looked) == 2
    Standing.objects.update(looked_at=timezone.now() - timedelta(minutes=16))
    running = request(place)
    drift.look_around()
    assert len(looked) == 2, "a deploy changes hosts right now"
    lifecycle.end(running, "failed", "Over.")
    place.target.drift_minutes = 0
    place.target.save()
    drift.look_around()
    assert len(looked) == 2, "the target wants no looks"


def test_what_a_deploy_changes_meanwhile_is_not_overwritten(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    driver.run_to_end(request(place))
    (row,) = Placement.objects.filter(target=place.target)
    running = request(place)
    drift.write(place.target, {row.host_id: Seen("by-hand")})
    assert drifts(place) == {}
    lifecycle.end(running, "failed", "Over.")
    drift.write(place.target, {row.host_id: Seen("by-hand")})
    assert drifts(place) == {row.host.name: Drift.OUTSIDE}


def test_a_host_that_does_not_answer_is_left_as_it_was_seen(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=2)
    driver.run_to_end(request(place))
    row = Placement.objects.filter(target=place.target).order_by("pk")[0]
    row.host.port = 1
    row.host.save()
    assert drift.look_at(place.target) == 1
    row.refresh_from_db()
    assert (row.drift, row.seen) == ("", release_of(Deploy.objects.get()).name)


def test_a_host_that_did_not_answer_is_asked_again_soon_and_nobody_else(
    make_fleet_target: MakeFleetTarget, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_fleet_target(hosts=3)
    two_deploys(place, driver)
    Placement.objects.filter(host__name=list(place.homes)[1]).delete()  # as where nothing was ever deployed
    away = Host.objects.get(name=list(place.homes)[1])
    port = away.port
    Host.objects.filter(pk=away.pk).update(port=closed_port())
    ssh.close_idle(-1)
    monkeypatch.setattr(silent_hosts, "AGAIN_SECONDS", 0.0)
    drift.look_around()
    assert _seen_at(place, away) == {None}
    others = _seen_at(place, *place.homes, but=away)
    silent_hosts.look_again()
    assert _seen_at(place, away) == {None}
    Host.objects.filter(pk=away.pk).update(port=port)
    silent_hosts.look_again(lambda target: target != place.target)
    assert _seen_at(place, away) == {None}, "another worker's target"
    silent_hosts.look_again()
    heard = _seen_at(place, away)
    assert heard != {None}
    assert _seen_at(place, *place.homes, but=away) == others, "only who was silent"
    silent_hosts.look_again()
    assert _seen_at(place, away) == heard, "all have answered"


def test_a_host_that_stays_silent_is_asked_from_time_to_time(
    place: FleetTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(request(place))
    Standing.objects.update(looked_at=timezone.now())
    Placement.objects.update(seen_at=None)
    asked: list[int] = []

    def look(targets: list[Target], only: set[int]) -> dict[int, dict[int, Seen]]:
        asked.append(len(only))
        return {target.pk: {} for target in targets}

    monkeypatch.setattr(drift, "look", look)
    silent_hosts.look_again()
    silent_hosts.look_again()
    assert asked == [3], "not at every look"


def _seen_at(place: FleetTarget, *hosts: Host | str, but: Host | None = None) -> set[object]:
    rows = Placement.objects.filter(target=place.target, host__name__in=[str(host) for host in hosts])
    return set(rows.exclude(host=but).values_list("seen_at", flat=True))
