"""The verbs of a deploy: what they change, and that a refused one changes nothing."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError
from django.utils import timezone

from deployments import lifecycle, log
from deployments.blockers import Blocked
from deployments.models import Deploy, Standing
from deployments.runs import release_of
from deployments.states import DEPLOY_MOVES, FINAL, DeployStatus
from environments.access import NotAllowed
from environments.models import Application, Membership, Target, User
from environments.repositories import RefNotFound, RepositoryRefused, RepositoryUnreachable
from notifications.models import Event
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import counts, end, request
from tests.deployments.fleet import FleetTarget, step
from tests.repository import Repository
from tests.undone import undone

pytestmark = pytest.mark.both_databases


def test_a_request_makes_all_rows_of_a_deploy(place: FleetTarget, shop: Repository) -> None:
    deploy = request(place)
    assert (deploy.number, deploy.status, deploy.kind, deploy.by_name) == (1, "running", "deploy", "Ada")
    assert deploy.revision == shop.git("rev-parse", "main")
    assert [(run.host_name, run.status, run.region) for run in deploy.runs.all()] == [
        (name, "pending", "eu-west") for name in place.homes
    ]
    assert Standing.objects.get(target=place.target).latest == deploy
    event = Event.objects.get(kind="deploy.requested")
    assert (event.actor, event.deploy, event.facts["revision"]) == ("ada", deploy.pk, deploy.revision)
    (line,) = log.read_all(deploy.pk)
    assert line.text == f"Ada deploys {place.target.application.name}/main ({deploy.revision[:8]}) on " + (
        f"{place.target.slug}, #1."
    )


def test_a_deploy_may_go_to_some_hosts_only(place: FleetTarget) -> None:
    one, *_ = place.homes
    deploy = request(place, hosts=[one])
    assert [run.host_name for run in deploy.runs.all()] == [one]
    assert deploy.plan["only"] is True


@pytest.mark.parametrize("hosts", [[], ["elsewhere-1"]])
def test_hosts_that_are_none_of_the_targets_are_refused(hosts: list[str], place: FleetTarget) -> None:
    before = counts()
    with pytest.raises(lifecycle.NoSuchHosts, match="Nothing was changed"):
        request(place, hosts=hosts)
    assert counts() == before


@pytest.mark.parametrize("ref", ["v1", "refs-by-number"])
def test_a_tag_and_a_commit_mean_their_commit(ref: str, place: FleetTarget, shop: Repository) -> None:
    first = shop.git("rev-parse", "v1^{commit}")
    assert request(place, "v1" if ref == "v1" else first).revision == first


def test_a_viewer_may_not_and_nothing_changes(place: FleetTarget, viewer: User) -> None:
    before = counts()
    with pytest.raises(NotAllowed, match="vera may not deploy"):
        lifecycle.request_deploy(target=place.target, ref="main", by=viewer)
    assert counts() == before


@pytest.mark.parametrize(
    "ref", ["nonsense", "-main", "--upload-pack=x", "@{u}", "main@{1}", "a..b", "ext::sh", "../x", "", "0" * 40]
)
def test_a_ref_that_is_none_is_refused_and_nothing_changes(ref: str, place: FleetTarget) -> None:
    before = counts()
    with pytest.raises(RefNotFound):
        request(place, ref)
    assert counts() == before


def test_a_repository_that_is_away_is_told_and_nothing_changes(make_place: MakeFleetTarget, tmp_path: Path) -> None:
    place = make_place(hosts=1)
    Application.objects.update(repository=f"{place.repository.url}.gone")
    place.target.application.refresh_from_db()
    before = counts()
    with pytest.raises(RepositoryUnreachable, match="could not be fetched"):
        request(place)
    Application.objects.update(repository=f"file://{tmp_path}")
    place.target.application.refresh_from_db()
    with pytest.raises(RepositoryRefused, match="REPOSITORY_ROOTS"):
        request(place)
    assert counts() == before


def test_a_second_deploy_is_blocked_by_name(place: FleetTarget) -> None:
    request(place)
    before = counts()
    with pytest.raises(Blocked, match="#1 is running") as refused:
        request(place)
    assert [(b.kind, b.who) for b in refused.value.blockers] == [("running", "Ada")]
    assert counts() == before


def test_a_target_without_hosts_is_blocked_even_for_one_who_waits(place: FleetTarget) -> None:
    Membership.objects.all().delete()
    for wait in (False, True):
        with pytest.raises(Blocked, match="has no hosts yet"):
            request(place, wait=wait)


def test_who_waits_goes_on_in_the_order_of_the_requests(place: FleetTarget) -> None:
    first = request(place)
    second, third = request(place, "v1", wait=True), request(place, wait=True)
    assert (second.status, third.status) == ("waiting", "waiting")
    assert "#1 is running" in next(log.read_all(second.pk)).text
    assert not lifecycle.start_waiting(second)
    end(first)
    assert not lifecycle.start_waiting(third), "it is not its turn"
    assert lifecycle.start_waiting(second)
    assert not lifecycle.start_waiting(second), "once"
    assert Deploy.objects.get(pk=second.pk).started_at is not None


def test_a_free_target_belongs_to_those_who_waited_for_it(place: FleetTarget) -> None:
    first = request(place)
    second = request(place, "v1", wait=True)
    end(first)
    before = counts()
    with pytest.raises(Blocked, match="#2 waits, and goes first") as refused:
        request(place)
    assert [(b.kind, b.who, b.passes) for b in refused.value.blockers] == [("queue", "Ada", True)]
    assert counts() == before
    third = request(place, wait=True)
    assert third.status == "waiting"
    assert "#2 waits, and goes first." in next(log.read_all(third.pk)).text
    assert not lifecycle.start_waiting(third), "it is not its turn"
    assert lifecycle.start_waiting(second)


def test_the_way_back_passes_all_who_wait_but_an_earlier_way_back(place: FleetTarget) -> None:
    for _ in range(2):
        end(request(place))
    running = request(place)
    request(place, "v1", wait=True)
    end(running)
    back = lifecycle.roll_back(place.target, by=place.by)
    assert back.status == "running"
    later = lifecycle.roll_back(place.target, by=place.by, stop=True)
    assert later.status == "waiting"
    end(back)
    with pytest.raises(Blocked, match=f"#{later.number} waits, and goes first"):
        lifecycle.roll_back(place.target, by=place.by)


def test_one_who_may_no_longer_deploy_does_not_start(place: FleetTarget) -> None:
    first, second = request(place), request(place, wait=True)
    User.objects.filter(pk=place.by.pk).update(role="viewer")
    end(first)
    waiting = lifecycle.next_waiting(place.target)
    assert waiting == second
    assert not lifecycle.start_waiting(waiting)
    second.refresh_from_db()
    assert (second.status, second.reason) == ("failed", f"Ada may no longer deploy {place.target.slug}.")


def test_a_change_to_the_target_does_not_change_a_deploy_that_has_begun(make_place: MakeFleetTarget) -> None:
    place = make_place(steps=[step("build", "make")])
    deploy = request(place)
    place.target.steps.update(command="rm -rf /")
    Target.objects.filter(pk=place.target.pk).update(keep=99)
    deploy.refresh_from_db()
    assert [made["command"] for made in deploy.recipe["steps"]] == ["make"]
    assert deploy.recipe["keep"] == 5


def test_releases_of_one_second_have_different_names(place: FleetTarget) -> None:
    names = {release_of(end(request(place))).name for _ in range(3)}
    assert len(names) == 3


def test_a_waiting_deploy_is_cancelled_at_once(place: FleetTarget) -> None:
    request(place)
    waiting = request(place, wait=True)
    lifecycle.request_cancel(waiting, by=place.by)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("cancelled", "Cancelled by Ada while it waited.")
    assert set(waiting.runs.values_list("status", flat=True)) == {"cancelled"}
    assert waiting.finished_at is not None
    assert (waiting.lines, waiting.log_sha256) == log.digest(waiting.pk)


def test_a_running_deploy_is_cancelled_once_however_often_one_asks(place: FleetTarget) -> None:
    deploy = request(place)
    lifecycle.request_cancel(deploy, by=place.by)
    lifecycle.request_cancel(Deploy.objects.get(pk=deploy.pk), by=place.by)
    deploy.refresh_from_db()
    assert (deploy.status, Event.objects.filter(kind="deploy.cancelling").count()) == ("cancelling", 1)


def test_what_is_over_cannot_be_cancelled_nor_by_one_who_may_not(place: FleetTarget, viewer: User) -> None:
    deploy = request(place)
    with pytest.raises(NotAllowed):
        lifecycle.request_cancel(deploy, by=viewer)
    end(deploy)
    before = counts()
    with pytest.raises(lifecycle.NothingToCancel, match="#1 is over already"):
        lifecycle.request_cancel(deploy, by=place.by)
    assert counts() == before


def test_a_deploy_ends_once(place: FleetTarget) -> None:
    deploy = request(place)
    assert lifecycle.end(deploy, "failed", "First.")
    assert not lifecycle.end(deploy, "succeeded", "Second.")
    deploy.refresh_from_db()
    assert (deploy.status, deploy.reason) == ("failed", "First.")
    assert Event.objects.filter(kind="deploy.succeeded").count() == 0


def test_after_a_restore_all_wait_for_a_person(place: FleetTarget) -> None:
    running, waiting = request(place), request(place, wait=True)
    assert lifecycle.hold_all("The database was restored.") == 2
    for deploy in (running, waiting):
        deploy.refresh_from_db()
        assert (deploy.status, deploy.reason) == ("needs_attention", "The database was restored.")


FORBIDDEN = [
    (state, goal)
    for state in DeployStatus.values
    for goal in FINAL
    if goal not in DEPLOY_MOVES.get(state, ()) and state != goal
]


def test_a_move_that_is_not_in_the_table_is_refused(place: FleetTarget) -> None:
    pk, seen = request(place).pk, []
    before = counts()
    for state, goal in FORBIDDEN:
        with undone():
            Deploy.objects.filter(pk=pk).update(status=state)
            ended = lifecycle.end(Deploy.objects.get(pk=pk), goal, "No.")
            seen.append((state, goal, ended, Deploy.objects.get(pk=pk).status, counts()))
    assert seen == [(state, goal, False, state, before) for state, goal in FORBIDDEN]


def test_numbers_only_rise_and_have_no_gaps(place: FleetTarget) -> None:
    for number in range(1, 5):
        with pytest.raises(RefNotFound):
            request(place, "nonsense")
        assert end(request(place)).number == number
    assert Target.objects.get(pk=place.target.pk).last_number == 4


def test_a_number_that_was_given_before_is_not_told_as_blocked(place: FleetTarget) -> None:
    end(request(place))
    Target.objects.filter(pk=place.target.pk).update(last_number=0)
    with pytest.raises(IntegrityError):
        request(place)


def test_names_of_releases_rise_though_the_clock_is_set_back(
    place: FleetTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = request(place)
    lifecycle.end(first, "failed", "Over.")
    earlier = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr("deployments.releases.timezone.now", lambda: earlier)
    second = request(place)
    assert release_of(second).name > release_of(first).name


def test_a_way_back_that_waits_starts_before_those_who_came_earlier(place: FleetTarget) -> None:
    end(request(place, "v1"))
    end(request(place))
    running, earlier = request(place), request(place, wait=True)
    back = lifecycle.roll_back(place.target, by=place.by, stop=True)
    assert lifecycle.end(running, "cancelled", "Stopped.")
    assert lifecycle.next_waiting(place.target) == back
    assert not lifecycle.start_waiting(earlier)
    assert lifecycle.start_waiting(back)


def test_nobody_starts_out_of_turn_though_asked_to(place: FleetTarget) -> None:
    running = request(place)
    first, second = request(place, wait=True), request(place, wait=True)
    assert lifecycle.end(running, "failed", "Over.")
    assert not lifecycle.start_waiting(second)
    assert lifecycle.start_waiting(first)
