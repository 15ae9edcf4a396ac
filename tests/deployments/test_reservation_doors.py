"""Reservations by page and API: what a form books, how a week is drawn, and what a refusal says."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from deployments.page_queries.calendar import CalendarPage, read_calendar
from environments import granting, locks
from environments.models import Environment, Reservation, Role, Target, Team, User
from tests.builders import make_application, make_environment, make_lock, make_target, make_user
from tests.deployments.api_client import api_of, check_problem
from tests.deployments.shop_pages import sign_in, text_of

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MONDAY = datetime(2199, 3, 25, tzinfo=UTC)


@pytest.fixture
def target() -> Target:
    return make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", first_name="Ada", last_name="Marsh")


@pytest.fixture
def ben() -> User:
    return make_user(username="ben", first_name="Ben", last_name="Sato")


def in_days(number: float, hours: int = 1) -> dict[str, datetime]:
    starts = (timezone.now() + timedelta(days=number)).replace(minute=0, second=0, microsecond=0)
    return {"starts": starts, "ends": starts + hours * HOUR}


def form(day: date, **more: str) -> dict[str, str]:
    where = {"environment": "staging", "week": "", "zone": "Europe/Berlin", "scope": "shop/staging"}
    return where | {"from": f"{day}T09:00", "to": f"{day}T11:30", "reason": "acceptance"} | more


def test_a_form_books_moves_and_cancels_on_the_clock_of_the_page(target: Target, ada: User) -> None:
    client, day = sign_in(ada), (timezone.now() + timedelta(days=8)).date()
    said = client.post(reverse("book"), form(day, until=str(day + timedelta(days=7))), follow=True)
    assert "Reserved: shop/staging" in text_of(said.content)
    first, second = Reservation.objects.all()
    assert [f"{row.starts.astimezone(locks.find_zone('Europe/Berlin')):%F %H:%M}" for row in (first, second)] == [
        *(f"{day} 09:00", f"{day + timedelta(days=7)} 09:00"),
    ]
    week = client.get(reverse("calendar", args=["staging"]), {"week": str(day), "zone": "Europe/Berlin"}).content
    assert "09:00 to 11:30 shop/staging yours “acceptance”" in text_of(week)
    assert f'value="{day}T09:00"' in week.decode()
    moved = form(day, **{"from": f"{day}T14:00", "to": f"{day}T15:00", "week": str(day)})
    answered = client.post(reverse("move-reservation", args=[first.pk]), moved)
    assert answered.headers["Location"] == f"/environments/staging/calendar?week={day}&zone=Europe%2FBerlin"
    assert "14:00 to 15:00" in text_of(client.get(answered.headers["Location"]).content)
    client.post(reverse("cancel-reservation", args=[first.pk]), form(day, which="later"))
    assert set(Reservation.objects.values_list("how", flat=True)) == {"cancelled"}


def test_a_form_that_is_refused_says_what_is_in_the_way(target: Target, ada: User, ben: User) -> None:
    day = (timezone.now() + timedelta(days=8)).date()
    for client in (sign_in(ada), sign_in(ben)):
        said = client.post(reverse("book"), form(day), follow=True)
    assert "shop/staging is reserved by Ada Marsh" in text_of(said.content)
    assert Reservation.objects.count() == 1
    said = sign_in(ben).post(reverse("book"), form(day, **{"from": "soon"}), follow=True)
    assert "is no date and time" in text_of(said.content)
    assert sign_in(ben).post(reverse("book"), form(day, environment="../x")).status_code == 400


def week_of(target: Target, viewer: User, day: datetime, zone: str = "UTC") -> CalendarPage:
    place = Environment.objects.get(pk=target.environment_id)
    return read_calendar(place, viewer, first=day.date(), zone=zone, now=timezone.now())


def add(target: Target, holder: User, starts: datetime, hours: float, **more: object) -> Reservation:
    facts = {"scope": target.slug, "environment": target.environment, "target": target, "holder": holder}
    names = {"holder_name": holder.full_name, "booked_by_name": holder.full_name, "reason": "acceptance", "zone": "UTC"}
    times = {"starts": starts, "ends": starts + hours * HOUR, "booked_at": timezone.now()}
    return Reservation.objects.create(**(facts | names | times | more))


def test_a_week_is_drawn_in_the_zone_of_the_viewer(target: Target, ada: User, ben: User) -> None:
    add(target, ada, MONDAY + 22 * HOUR, 4)
    add(target, ben, MONDAY + 30 * HOUR, 12)
    days = week_of(target, ada, MONDAY + timedelta(days=3)).days
    assert [day.day.isoformat() for day in days][:2] == ["2199-03-25", "2199-03-26"]
    monday, tuesday = days[0].pieces, days[1].pieces
    assert [(piece.x, piece.width, piece.times, piece.first) for piece in monday] == [
        ("91.67%", "8.33%", "from 22:00", True)
    ]
    assert [(piece.x, piece.width, piece.times, piece.first, piece.y) for piece in tuesday] == [
        ("0.00%", "8.33%", "until 02:00", False, 0),
        ("25.00%", "50.00%", "06:00 to 18:00", True, 0),
    ]
    days = week_of(target, ada, MONDAY, "Asia/Kolkata").days
    assert not days[0].pieces
    assert [piece.times for piece in days[1].pieces] == ["03:30 to 07:30", "11:30 to 23:30"]


@pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 28), 23), (date(2027, 10, 31), 25)])
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(day: date, hours: int, target: Target, ada: User) -> None:
    berlin = locks.find_zone("Europe/Berlin")
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=berlin).astimezone(UTC)
    add(target, ada, noon, 1)
    sunday = week_of(target, ada, noon, "Europe/Berlin").days[6]
    (piece,) = sunday.pieces
    assert piece.times == "12:00 to 13:00"
    assert piece.width == f"{100 / hours:.2f}%"
    assert piece.x == f"{100 * (hours - 12) / hours:.2f}%"
    assert dict(sunday.ticks)["18"] == f"{100 * (hours - 6) / hours:.2f}%"


def test_what_lies_at_the_same_time_is_drawn_below_each_other(target: Target, ada: User) -> None:
    other = make_target(application=make_application(name="web"), environment=target.environment)
    add(target, ada, MONDAY + 9 * HOUR, 4)
    add(other, ada, MONDAY + 10 * HOUR, 1)
    add(other, ada, MONDAY + 14 * HOUR, 1)
    day = week_of(target, ada, MONDAY).days[0]
    assert [piece.y for piece in day.pieces] == [0, 16, 0]
    assert day.height == 28


def test_the_calendar_shows_nothing_that_one_may_not_view(target: Target, ada: User) -> None:
    guest, hidden = (
        make_user(role=Role.GUEST),
        make_target(application=make_application(name="hidden"), environment=target.environment),
    )
    granting.give(guest, Role.DEPLOYER, application=target.application, environment=target.environment, by=None)
    for one in (target, hidden):
        add(one, ada, in_days(1)["starts"], 2)
    found = week_of(target, guest, in_days(1)["starts"])
    assert {piece.entry.place for day in found.days for piece in day.pieces} == {"shop/staging"}
    assert [scope for scope, _ in found.scopes] == ["shop/staging"]


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_a_week_costs_a_fixed_number_of_queries(rows: int, target: Target, ada: User) -> None:
    team = Team.objects.create(name="payments")
    team.members.set([ada])
    start = (timezone.now() + timedelta(days=1)).replace(minute=0)
    for n in range(rows):
        add(target, ada, start + n * HOUR, 1, team=team if n % 2 else None)
    make_lock(target=target, by=ada)
    client = sign_in(ada)
    with CaptureQueriesContext(connection) as caught:
        page = client.get(reverse("calendar", args=["staging"]), {"week": str(start.date())})
    assert page.status_code == 200
    assert len(caught) <= 13, [query["sql"] for query in caught]


@pytest.mark.parametrize("week", ["soon", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_what_is_no_week_is_refused(week: str, target: Target, ada: User) -> None:
    assert sign_in(ada).get(reverse("calendar", args=["staging"]), {"week": week}).status_code == 400


def test_programs_book_move_and_cancel(target: Target, ada: User, ben: User) -> None:
    mine, other = api_of(user=ada), api_of(user=ben)
    times = {name: at.isoformat() for name, at in in_days(2, 3).items()}
    made = mine.post("reservations", {"scope": "shop/staging", "reason": "acceptance"} | times)
    assert made.status_code == 201, made.content
    (row,) = made.json()
    assert (row["holder"], row["scope"], row["begun"], row["series"]) == ("ada", "shop/staging", False, None)
    assert mine.get(made["Location"].removeprefix("/api/v1/")).json() == row
    said = check_problem(other.post("reservations", {"scope": "staging", "reason": "x"} | times), 409, "reserved")
    assert said["reservation"]["id"] == row["id"]
    later = {name: at.isoformat() for name, at in in_days(4).items()}
    check_problem(other.post(f"reservations/{row['id']}/move", later), 403, "not-yours")
    assert mine.post(f"reservations/{row['id']}/move", later).json()["id"] == row["id"]
    assert [one["id"] for one in other.get("reservations?scope=shop/staging").json()["items"]] == [row["id"]]
    check_problem(other.delete(f"reservations/{row['id']}"), 403, "not-yours")
    assert mine.delete(f"reservations/{row['id']}").status_code == 204
    check_problem(mine.delete(f"reservations/{row['id']}"), 409, "reservation-gone")
    assert mine.get("reservations").json()["items"] == []
    until = str((timezone.now() + timedelta(days=16)).date())
    weekly = mine.post("reservations", {"scope": "*", "reason": "move", "weekly_until": until} | later)
    assert len(weekly.json()) == 2
    assert re.fullmatch(r"[0-9a-f-]{36}", weekly.json()[0]["series"])
