"""What windows and freezes do to deploys: people wait or are refused, machines wait or are dropped, rollbacks go."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from deployments import lifecycle
from deployments.blockers import Blocked, of_waiting
from deployments.expectations import expected_end
from deployments.lifecycle import Passing
from deployments.models import Deploy
from deployments.page_queries.waiting import read_waiting
from environments import approval_rules, locks, teams, windows
from environments.access import NotAllowed
from environments.models import Environment, Role, Target, User
from environments.windows import Window
from notifications.models import Event
from tests import builders
from tests.deployments.test_locks import finish, fresh, request, start

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    builders.make_repository(tmp_path / "shop")
    shop = builders.make_application(name="shop", repository=tmp_path / "shop")
    return builders.make_target(application=shop, environment=builders.make_environment(name="staging"), hosts=1)


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def boss() -> User:
    return builders.make_user(username="boss", role=Role.ADMINISTRATOR)


def shut_window(environment: Environment) -> datetime:
    """A window that is not open now; when it opens."""
    now = timezone.now()
    opens = (now + timedelta(hours=3)).replace(second=0, microsecond=0)
    window = Window((1, 2, 3, 4, 5, 6, 7), opens.time(), (opens + timedelta(hours=2)).time(), "UTC")
    windows.set_windows(environment, [window], by=None)
    return opens


def freeze(scope: str, reason: str = "the fair") -> None:
    where = locks.find(scope, viewer=None)
    windows.freeze(where, by=None, reason=reason, starts=None, ends=timezone.now() + timedelta(hours=5))


CLOSINGS = ["window", "*", "staging", "shop/staging"]


def close(target: Target, how: str) -> str:
    """Closed by a window, or by a freeze of a scope; the kind of blocker that says so."""
    if how == "window":
        shut_window(target.environment)
        return "window"
    freeze(how)
    return "freeze"


@pytest.fixture(params=CLOSINGS)
def closed(request: pytest.FixtureRequest, target: Target) -> str:
    return close(target, request.param)


@pytest.mark.parametrize("how", CLOSINGS)
def test_what_is_new_is_refused_and_the_way_back_is_not(target: Target, ada: User, how: str) -> None:
    good, newer, failed = (finished(target, ada, status) for status in ("succeeded", "succeeded", "failed"))
    assert newer.number == 2
    kind = close(target, how)
    verbs: list[Callable[[], Deploy]] = [lambda: request(target, ada), lambda: lifecycle.retry(failed, by=ada)]
    for verb in verbs:
        with pytest.raises(Blocked) as refused:
            verb()
        assert [it.kind for it in refused.value.blockers] == [kind]
        assert refused.value.blockers[0].until
    task = target.tasks.create(name="warm", command="true")
    finish(lifecycle.run_task(task, by=ada))
    assert lifecycle.roll_back(target, to=good, by=ada).status == "running"


def finished(target: Target, by: User, status: str) -> Deploy:
    deploy = request(target, by)
    finish(deploy, status)
    return fresh(deploy)


def test_a_person_waits_until_it_opens(target: Target, ada: User, closed: str) -> None:
    deploy = request(target, ada, wait=True)
    second = request(target, ada, wait=True)
    assert (deploy.status, second.status) == ("waiting", "waiting")
    assert start(target) is None
    task = target.tasks.create(name="warm", command="true")
    finish(lifecycle.run_task(task, by=ada))  # what does not wait for it passes
    windows.set_windows(target.environment, [], by=None)
    for row in windows.to_come():
        windows.lift(row, by=None)
    started = start(fresh(deploy).target)
    assert started == deploy
    assert start(fresh(deploy).target) is None


def test_of_automatic_ones_the_newest_waits(target: Target, ada: User, closed: str) -> None:
    person = request(target, ada, wait=True)
    older = request(target, ada, automatic=True)
    newer = request(target, ada, automatic=True)
    assert [fresh(one).status for one in (person, older, newer)] == ["waiting", "cancelled", "waiting"]
    assert fresh(older).reason == f"Replaced by #{newer.number}, which is newer and automatic too."


def test_or_automatic_ones_are_dropped(target: Target, ada: User, closed: str) -> None:
    windows.set_windows(target.environment, windows.windows_of(target.environment.windows), outside="drop", by=None)
    with pytest.raises(Blocked):
        request(target, ada, automatic=True, wait=True)
    assert not Deploy.objects.exists()
    assert Event.objects.get(kind="deploy.not_taken").facts["reason"]


def test_one_that_waited_for_something_else_is_dropped_in_its_turn(target: Target, ada: User) -> None:
    windows.set_windows(target.environment, [], outside="drop", by=None)
    running = request(target, ada)
    waits = request(target, ada, automatic=True, wait=True)
    shut_window(target.environment)
    finish(running)
    assert start(fresh(waits).target) is None
    assert fresh(waits).status == "cancelled"
    assert fresh(waits).reason.startswith("Not taken: staging takes deploys every day ")


def test_an_emergency_goes_over_it_with_a_reason(target: Target, ada: User, boss: User, closed: str) -> None:
    with pytest.raises(NotAllowed):
        request(target, ada, said=Passing(override="the shop is down"))
    deploy = request(target, boss, said=Passing(override="the shop is down"))
    assert deploy.status == "running"
    told = Event.objects.get(kind="deploy.overrode")
    assert told.facts["why"] == "the shop is down"
    assert told.deploy == deploy.pk


def test_one_that_goes_over_it_keeps_that_while_it_waits(target: Target, ada: User, boss: User) -> None:
    running = request(target, ada)
    shut_window(target.environment)
    ordinary = request(target, ada, wait=True)
    urgent = request(target, boss, wait=True, said=Passing(override="the shop is down"))
    finish(running)
    assert start(fresh(urgent).target) == urgent
    assert fresh(ordinary).status == "waiting"


@pytest.mark.parametrize("how", ["window", "staging"])
def test_a_prepared_one_goes_live_only_when_it_is_open(target: Target, ada: User, boss: User, how: str) -> None:
    resting = request(target, ada, hold=True)
    Deploy.objects.filter(pk=resting.pk).update(prepared_at=timezone.now())
    close(target, how)
    with pytest.raises(Blocked):
        lifecycle.flip(fresh(resting), by=ada)
    lifecycle.flip_by_itself(fresh(resting))
    assert fresh(resting).held
    lifecycle.flip(fresh(resting), by=boss, override="the shop is down")
    assert not fresh(resting).held
    assert Event.objects.filter(kind="deploy.overrode").count() == 1


def test_the_rules_of_now_count_whatever_was_read_before(target: Target, ada: User) -> None:
    stale = Target.objects.select_related("application", "environment").get(pk=target.pk)
    opens = shut_window(target.environment)
    assert stale.environment.windows == []
    with pytest.raises(Blocked) as refused:
        request(stale, ada)
    assert datetime.fromisoformat(refused.value.blockers[0].until) == opens


def test_a_freeze_that_is_not_yet_or_no_longer_stops_nobody(target: Target, ada: User) -> None:
    where, now = locks.find("shop/staging", viewer=None), timezone.now()
    hour = timedelta(hours=1)
    windows.freeze(where, by=None, reason="later", starts=now + hour, ends=now + 2 * hour)
    over = windows.freeze(where, by=None, reason="before", starts=None, ends=now + hour)
    type(over).objects.filter(pk=over.pk).update(starts=now - 2 * hour, ends=now - hour)
    freeze_other = builders.make_environment(name="production")
    windows.freeze(locks.of_environment(freeze_other), by=None, reason="fair", starts=None, ends=now + hour)
    assert request(target, ada).status == "running"


def test_everything_that_it_waits_for_is_told_and_until_when(target: Target, ada: User, boss: User) -> None:
    """On the page of a deploy, on Waiting, and by the API."""
    now, minute = timezone.now(), timedelta(minutes=1)
    for took in (3, 4, 9):
        builders.make_deploy(target=target, started_at=now - took * minute, finished_at=now)
    begun = now - minute
    builders.make_deploy(target=target, status="running", by=boss, started_at=begun)
    team = teams.make("release", by=None)
    teams.add_member(team, boss, by=None)
    approval_rules.set_approvals(target, number=1, team=team, hours=1, by=None)
    opens = shut_window(target.environment)
    freeze("*")
    builders.make_lock(target=target, by=boss, reason="a demo")
    deploy = request(target, ada, wait=True)
    second = request(target, ada, wait=True)
    found = {it.kind: it for it in of_waiting(fresh(deploy))}
    assert set(found) == {"lock", "freeze", "window", "running", "approval", "workers"}
    ends = [datetime.fromisoformat(found[kind].until) for kind in ("running", "window")]
    assert ends == [begun + 4 * minute, opens]
    (line,) = read_waiting().lines
    told = [[why.text for why in item.whys] for item in line.items]
    assert told[0] == [
        "shop/staging is locked by boss: a demo",
        "Everything is frozen: the fair.",
        found["window"].text,
        "It needs 1 approval of the team release; 0 given.",
        "For #4 of boss to end.",
        "No worker runs that could start it. Start one; what waits goes on by itself.",
    ]
    assert told[1][4:6] == ["For #4 of boss to end.", f"For #{deploy.number} of Ada Marsh to end."]
    client = Client()
    client.force_login(ada)
    page = client.get(f"/deploys/{second.pk}").content.decode()
    for words in ("is locked by boss", "is frozen: the fair", "approval of the team", f"#{deploy.number} before it"):
        assert words in page
    bearer = {"Authorization": f"Bearer {builders.make_token(user=ada)}"}
    items = client.get("/api/v1/waiting", headers=bearer).json()["items"]
    assert [len(item["blockers"]) for item in items] == [6, 7]


def test_what_lasts_is_told_on_the_first_page(target: Target, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert "is frozen" not in client.get("/").content.decode()
    freeze("staging")
    page = client.get("/").content.decode()
    assert "the fair" in page
    assert "is frozen until" in page


def test_when_one_that_rests_has_ended_nobody_tells(target: Target, boss: User) -> None:
    begun = timezone.now() - timedelta(minutes=5)
    facts: dict[str, Any] = {"target": target, "by": boss, "started_at": begun}
    builders.make_deploy(status="succeeded", finished_at=begun + timedelta(minutes=1), **facts)
    running = builders.make_deploy(status="running", **facts)
    assert expected_end(running) == begun + timedelta(minutes=1)
    running.held = True
    assert expected_end(running) is None
