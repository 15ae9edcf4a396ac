"""Locks as pages show and change them: forms, cards and sentences."""

import re
from datetime import time, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from deployments import lifecycle
from deployments.page_queries import locks_page
from deployments.page_queries.lock_insights import read_insights
from deployments.page_queries.locks_page import CARDS
from deployments.page_queries.waiting import read_waiting
from deployments.states import DeployStatus
from environments import granting, locks
from environments.configuration.changing import set_value
from environments.configuration.scopes import find_scope
from environments.models import Lock, Role, Target, Team, User
from notifications.events import record
from notifications.models import Event
from tests import builders
from tests.deployments.shop_pages import address, make_shop, sign_in, text_of

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MOST_QUERIES = 15


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    return make_shop(tmp_path, settings)


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return builders.make_user(username="ben", first_name="Ben", last_name="Sato")


def take(client: Client, **more: str) -> int:
    words = {"scope": "shop/staging", "reason": "a demo", "for": "2h", "zone": "Europe/Berlin"}
    return client.post(reverse("take-lock"), words | more).status_code


def test_it_is_held_for_a_team_by_any_of_whom_it_is_given_back(target: Target, ada: User, ben: User) -> None:
    Team.objects.create(name="payments").members.set([ada, ben])
    assert 'name="team"' in sign_in(ada).get(address("target")).content.decode()
    assert take(sign_in(ada), team="payments") == 302
    lock = Lock.objects.get()
    assert (lock.holder, lock.team, lock.holder_name) == (ada, Team.objects.get(), "Ada Marsh for the team payments")
    assert "Ada Marsh for the team payments holds shop/staging" in text_of(sign_in(ben).get("/locks").content)
    sign_in(ben).post(reverse("release-lock", args=[lock.pk]))
    assert not Lock.objects.filter(released_at=None).exists()


def test_who_is_in_no_team_is_not_asked_which_one(target: Target, ada: User) -> None:
    Team.objects.create(name="payments")
    assert 'name="team"' not in sign_in(ada).get(address("target")).content.decode()


@pytest.mark.parametrize(("team", "status"), [("payments", 302), ("nobodys", 404)])
def test_a_team_that_is_not_ones_own_gets_no_lock(team: str, status: int, target: Target, ada: User) -> None:
    Team.objects.create(name="payments")
    assert take(sign_in(ada), team=team) == status
    assert not Lock.objects.exists()


def test_a_lock_lasts_until_the_working_day_of_the_person_ends(target: Target, ada: User) -> None:
    client = sign_in(ada)
    assert "ends at 16:30" in text_of(client.post(reverse("set-day-end"), {"at": "16:30"}, follow=True).content)
    assert User.objects.get(pk=ada.pk).day_ends == time(16, 30)
    assert 'value="16:30"' in client.get("/settings").content.decode()
    take(client, **{"for": "day-end", "zone": "Asia/Kolkata"})
    until = Lock.objects.get().until
    assert until is not None
    assert f"{until:%H:%M}" == "11:00"  # UTC


@pytest.mark.parametrize("at", ["", "25:00", "noon", "18:61"])
def test_what_is_no_time_of_the_day_changes_nothing(at: str, ada: User, ben: User) -> None:
    answered = sign_in(ada).post(reverse("set-day-end"), {"at": at}, follow=True)
    assert "is no time of the day" in text_of(answered.content)
    assert set(User.objects.values_list("day_ends", flat=True)) == {time(18)}


def test_a_deploy_that_a_lock_holds_is_told_as_such(target: Target, ada: User) -> None:
    builders.make_lock(target=target, by=ada)
    lifecycle.request_deploy(target=target, ref="main", by=builders.make_user(username="robot"), automatic=True)
    assert read_waiting().headline == "One is held by a lock."


@pytest.mark.parametrize("role", ["deployer", "administrator"])
@pytest.mark.parametrize("lines", [0, 1, 10])
def test_a_page_with_locks_costs_a_fixed_number_of_queries(lines: int, role: str, target: Target, ada: User) -> None:
    """With all that there may be at once: locks of teams, a line, questions, held and partial deploys, a change."""
    ben = builders.make_user(username="ben", role=role)
    mine, theirs = (Team.objects.create(name=name) for name in ("search", "payments"))
    mine.members.set([ben])
    theirs.members.set([ada])
    until = timezone.now() + timedelta(hours=1)
    lock = locks.acquire(locks.of_target(target), by=ada, reason="a demo", until=until, team=theirs)
    wide = locks.acquire(locks.of_environment(target.environment), by=ben, reason="a move", until=until, team=mine)
    builders.make_deploy(target=target)
    set_value(find_scope(target, "application"), "GREETING", "hello", by=None)
    for met in (lock, wide, *[None] * lines):
        builders.make_deploy(target=target, status=DeployStatus.WAITING, met_lock=met, by=builders.make_user())
    for _ in range(lines):
        someone, words = sign_in(builders.make_user()), {"for": "1h", "reason": "mine next"}
        someone.post(reverse("join-line", args=[lock.pk]), words)
        someone.post(reverse("ask-holder", args=[wide.pk]), {"text": "Are you done?"})
        builders.make_run(deploy=builders.make_deploy(target=target, status=DeployStatus.PARTIAL))
    client = sign_in(ben)
    with CaptureQueriesContext(connection) as caught:
        page = text_of(client.get(address("target")).content)
    assert "Ada Marsh for the team payments" in page
    assert "A change is not live yet" in page
    assert page.count("Are you done?") == lines
    assert len(caught) <= MOST_QUERIES


def test_the_head_of_the_page_counts_the_last_thirty_days(target: Target, ada: User, ben: User) -> None:
    now = timezone.now()

    def add(holder: User, since: float, until: float, released: float | None = None, **more: object) -> None:
        times = {"since": now - since * HOUR, "until": now - until * HOUR}
        times |= {"released_at": now - released * HOUR} if released is not None else {}
        builders.make_lock(target=target, by=holder, **(times | more))  # type: ignore[arg-type]

    add(ada, 10, 4, 6)  # given back early: 4 h
    add(ada, 24 * 40, 24 * 29, 24 * 29)  # began before the thirty days: 24 h of it
    add(ada, 24 * 50, 24 * 40, 24 * 40)  # was over by then
    add(ben, 3, 1)  # ended by its time, which nobody has written down: 2 h
    add(ben, 9, 0, 1, offered=True)  # never his
    add(ben, 9, 0, 1, machines_only=True)
    wide = builders.make_lock(target=builders.make_target(), by=ben)
    Lock.objects.filter(pk=wide.pk).update(since=now - 5 * HOUR, scope="*", environment=None, target=None)
    for kind, days in (
        ("lock.overridden", 1),
        ("lock.rolled_back_over", 29),
        ("lock.taken_over", 2),
        ("lock.taken_over", 31),
    ):
        event = record(kind, "ada", application="shop", environment="staging")
        Event.objects.filter(pk=event.pk).update(at=now - timedelta(days=days))
    found = read_insights(ada, now=now)
    assert (found.hours, found.overrides, found.taken) == (35, 2, 1)
    assert [(one.name, one.hours) for one in found.places] == [("staging", 30), ("everything", 5)]
    assert [(one.name, one.hours) for one in found.people] == [("Ada Marsh", 28), ("Ben Sato", 7)]
    assert "Locked, last 30 days 35 h Taken over 1 Gone over 2" in text_of(sign_in(ada).get("/locks").content)
    guest = builders.make_user(role=Role.GUEST)
    granting.give(guest, Role.DEPLOYER, application=builders.make_target().application, by=None)
    seen = read_insights(guest, now=now)
    assert (seen.hours, seen.overrides, [one.name for one in seen.places]) == (5, 0, ["everything"])


@pytest.mark.parametrize("number", [1, 30])
def test_the_page_of_locks_costs_a_fixed_number_of_queries(number: int, target: Target, ada: User) -> None:
    for n in range(number):
        place = builders.make_target(application=builders.make_application(name=f"app-{n}"))
        lock = builders.make_lock(target=place, by=ada)
        builders.make_lock(target=place, by=ada, released_at=timezone.now(), since=timezone.now() - HOUR)
        asker = builders.make_user()
        locks.ask(lock, by=asker, text="may I?")
        starts = timezone.now() + HOUR * (n + 2)
        locks.book(locks.of_target(place), by=asker, starts=starts, ends=starts + HOUR, reason="later")
    client = sign_in(ada)
    with CaptureQueriesContext(connection) as caught:
        page = client.get("/locks").content.decode()
    assert "Word for you" in page
    assert len(caught) <= MOST_QUERIES


def test_of_very_many_locks_those_of_others_become_lines(
    target: Target, ada: User, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = builders.make_lock(target=target, by=ben)
    names = [f"lab-{n:02}" for n in range(CARDS + 5)]
    for name in names:
        place = builders.make_target(application=target.application, environment=builders.make_environment(name=name))
        builders.make_lock(target=place, by=ada, reason=f"for {name}")
    client = sign_in(ben)
    with CaptureQueriesContext(connection) as caught:
        page = client.get("/locks").content.decode()
    assert f"{CARDS + 6} places are locked, 1 by you." in page
    assert reverse("release-lock", args=[mine.pk]) in page
    assert all(f"for {name}" in page for name in names)  # none is left out
    assert "And 6 more" in text_of(page.encode())
    assert f'href="/shop/{names[-1]}/"' in page
    assert len(caught) <= MOST_QUERIES
    assert "nothing here" in client.get("/locks?part=9").content.decode()
    monkeypatch.setattr(locks_page, "LINES", 4)
    parts = [client.get(f"/locks?part={part}").content.decode() for part in (1, 2)]
    assert all(f"{CARDS + 6} places are locked, 1 by you." in part for part in parts)
    assert [len(re.findall(r"<td[^>]*>for lab", part)) for part in parts] == [4, 2]
    assert all(any(f"for {name}" in part for part in parts) for name in names)
    assert [('rel="next"' in part, 'rel="prev"' in part) for part in parts] == [(True, False), (False, True)]
    assert ("1 to 4" in parts[0], "5 to 6" in parts[1]) == (True, True)
