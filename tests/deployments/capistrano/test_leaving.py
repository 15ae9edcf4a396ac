"""A target's hosts are left to another tool, and taken up again."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from deployments import lifecycle
from deployments.blockers import Blocked, blockers
from deployments.capistrano import leaving
from deployments.capistrano.refusals import StillAtWork
from deployments.models import Deploy, HeldRelease, Placement, Standing
from environments.access import NotAllowed
from environments.models import Host, KeyPair, Target, User
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request
from tests.deployments.fleet import Driver, FleetTarget, closed_port

ME = "someone (command line)"


def deploy(driver: Driver, place: FleetTarget) -> Deploy:
    done = driver.run_to_end(request(place))
    assert done.status == "succeeded"
    return done


def ours(place: FleetTarget) -> list[bool]:
    return [(root / ".deployer").exists() for root in place.roots()]


def test_hosts_are_left_and_the_target_says_so(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=2)
    deploy(driver, place)
    results = leaving.leave(place.target, by=None, actor=ME)
    assert [(result.host, result.failed) for result in results] == [(name, "") for name in place.homes]
    assert ours(place) == [False, False]
    assert (place.roots()[0] / "current/index.html").read_text() == "<h1>two</h1>\n"
    assert set(Placement.objects.filter(target=place.target).values_list("current", flat=True)) == {None}
    assert not HeldRelease.objects.exists()
    assert Standing.objects.get(target=place.target).live is None
    assert Deploy.objects.filter(target=place.target).count() == 1, "its history stays"
    (event,) = Event.objects.filter(kind="target.left")
    assert (event.actor, event.facts["hosts"], event.facts["failed"]) == (ME, list(place.homes), {})
    (blocker,) = blockers(place.target)
    assert (blocker.kind, blocker.passes) == ("left", False)
    assert f"manage.py leave {place.target.slug} --return" in blocker.text


@pytest.mark.django_db
def test_the_page_says_so_instead_of_inviting_to_deploy(place: FleetTarget, client: Client) -> None:
    end(request(place))
    Standing.objects.filter(target=place.target).update(live=None)
    Target.objects.filter(pk=place.target.pk).update(left_at="2026-11-22T10:00:00Z")
    client.force_login(place.by)
    page = reverse("target", args=[place.target.application.name, place.target.environment.name])
    shown = client.get(page).content.decode()
    assert "Its hosts were left to another tool" in shown
    assert "Nothing is live here yet" not in shown
    assert f"manage.py leave {place.target.slug} --return" in shown


def test_who_read_the_target_before_cannot_deploy_either(place: FleetTarget) -> None:
    read_before = Target.objects.get(pk=place.target.pk)
    Target.objects.filter(pk=place.target.pk).update(left_at="2026-11-22T10:00:00Z")
    with pytest.raises(Blocked, match="were left to another tool on 22 Nov 2026"):
        lifecycle.request_deploy(target=read_before, ref="main", by=place.by)


def test_a_host_that_failed_is_left_by_the_next_attempt(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=2)
    deploy(driver, place)
    away = Host.objects.get(name=list(place.homes)[1])
    port = away.port
    Host.objects.filter(pk=away.pk).update(port=closed_port())
    with pytest.raises(CommandError, match=r"cannot be reached(.|\n)*1 of 2 hosts were not left. Run this again\."):
        call_command("leave", place.target.slug, "--yes", stdout=io.StringIO())
    assert ours(place) == [False, True]
    assert Standing.objects.get(target=place.target).live is not None
    assert Placement.objects.get(host=away, target=place.target).current is not None
    Host.objects.filter(pk=away.pk).update(port=port)
    call_command("leave", place.target.slug, "--yes", stdout=io.StringIO())
    assert ours(place) == [False, False]


@pytest.mark.both_databases
@pytest.mark.django_db
@pytest.mark.parametrize("wait", [False, True])
def test_not_while_a_deploy_runs_or_waits(place: FleetTarget, wait: bool) -> None:
    running = request(place)
    if wait:
        request(place, wait=True)
        end(running)
    with pytest.raises(StillAtWork, match=r"#2 \(waiting\) is not over" if wait else r"#1 \(running\) is not over"):
        leaving.leave(place.target, by=None, actor=ME)
    place.target.refresh_from_db()
    assert (place.target.left_at, place.target.fence) == (None, 0)


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_what_is_written_when_hosts_cannot_be_reached(place: FleetTarget) -> None:
    end(request(place))
    KeyPair.objects.all().delete()
    results = leaving.leave(place.target, by=None, actor=ME)
    assert [("no key pair" in result.failed) for result in results] == [True, True, True]
    place.target.refresh_from_db()
    assert (place.target.left_at is None, place.target.fence) == (False, 1)
    assert Placement.objects.exclude(current=None).count() == 3, "what they run is not known to have changed"
    assert set(Event.objects.get(kind="target.left").facts["failed"]) == set(place.homes)


def test_only_an_administrator(place: FleetTarget, viewer: User) -> None:
    for act in (leaving.leave, leaving.take_up):
        for user in (viewer, place.by):
            with pytest.raises(NotAllowed):
                act(place.target, by=user, actor=user.username)


def test_after_coming_back_everything_is_laid_out_anew(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1)
    first = deploy(driver, place)
    leaving.leave(place.target, by=None, actor=ME)
    call_command("leave", place.target.slug, "--return", stdout=io.StringIO())
    place.target.refresh_from_db()
    assert blockers(place.target) == []
    assert Event.objects.filter(kind="target.taken_up").count() == 1
    second = deploy(driver, place)
    assert (second.number, ours(place)) == (2, [True])
    assert (place.roots()[0] / "releases" / str(first.release)).exists(), "what served then is somebody else's now"
    with pytest.raises(CommandError, match="has not been left"):
        call_command("leave", place.target.slug, "--return", stdout=io.StringIO())


def test_nobody_is_asked_without_a_terminal(place: FleetTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match="Say --yes"):
        call_command("leave", place.target.slug, stdout=io.StringIO())
    place.target.refresh_from_db()
    assert place.target.left_at is None
