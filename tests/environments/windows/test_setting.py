"""Windows and freezes as people set them: by verb, by page and by the API, with the same refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from environments import locks, windows
from environments.access import NotAllowed
from environments.models import Environment, Role, User
from environments.windows import read_fortnight
from notifications.models import Event
from tests import builders

pytestmark = pytest.mark.django_db
OFFICE = {"days": [1, 2, 3, 4, 5], "from": "09:00", "to": "17:00", "zone": "Europe/Berlin"}
TIMES = {"from": "09:00", "to": "17:00", "zone": "UTC"}
WRONG: list[dict[str, Any]] = [
    {"days": [], **TIMES},
    {"days": [1], **TIMES, "from": "9 o'clock"},
    {"days": [1], **TIMES, "to": "25:00"},
    {"days": [1], **TIMES, "zone": "Europe/Atlantis"},
    {"days": [1], **TIMES, "zone": "../../etc/passwd"},
    {"days": [1], **TIMES, "zone": ""},
]


@pytest.fixture
def staging() -> Environment:
    return builders.make_environment(name="staging")


@pytest.fixture
def boss() -> User:
    return builders.make_user(username="boss", role=Role.ADMINISTRATOR, first_name="Ada", last_name="Marsh")


@pytest.fixture
def maintainer() -> User:
    return builders.make_user(username="maintainer", role=Role.MAINTAINER)


def web(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def told(client: Client) -> str:
    return client.get("/settings/windows").content.decode()


def api(user: User, method: str, path: str, body: object = None) -> Any:
    more = {"data": body, "content_type": "application/json"} if body is not None else {}
    bearer = {"Authorization": f"Bearer {builders.make_token(user=user)}"}
    return getattr(Client(), method)(f"/api/v1{path}", headers=bearer, **more)


@pytest.mark.parametrize("facts", WRONG)
def test_what_can_be_no_window_is_refused_by_every_door(
    facts: dict[str, Any], staging: Environment, boss: User
) -> None:
    with pytest.raises(windows.WrongWindow):
        windows.read_window(facts)
    client = web(boss)
    client.post("/settings/environments/staging/windows/add", {**facts, "day": facts["days"]})
    assert "Nothing was changed." in told(client)
    assert api(boss, "put", "/environments/staging/windows", {"windows": [facts]}).status_code == 400
    staging.refresh_from_db()
    assert staging.windows == []


def test_a_window_is_set_by_page_and_by_api(staging: Environment, boss: User, maintainer: User) -> None:
    client = web(boss)
    client.post("/settings/environments/staging/windows/add", {**OFFICE, "day": OFFICE["days"]})
    assert "Mon-Fri 09:00-17:00 Europe/Berlin" in told(client)
    answer = api(maintainer, "get", "/environments/staging/windows").json()
    assert answer["windows"] == [OFFICE]
    assert len(answer["ahead"]) >= 10
    assert answer["outside"] == "wait"
    client.post("/settings/environments/staging/windows/outside", {"outside": "drop"})
    night = {"days": [6], "from": "22:00", "to": "02:00", "zone": "America/New_York"}
    answer = api(boss, "put", "/environments/staging/windows", {"windows": [OFFICE, night]}).json()
    assert (answer["windows"], answer["outside"]) == ([OFFICE, night], "drop")
    words = "Sat 22:00-02:00 America/New_York"
    client.post("/settings/environments/staging/windows/remove", {"window": words})
    staging.refresh_from_db()
    assert staging.windows == [OFFICE]
    assert Event.objects.filter(kind="windows.changed").count() == 4
    assert api(maintainer, "put", "/environments/staging/windows", {"windows": []}).status_code == 403
    with pytest.raises(NotAllowed):
        windows.set_windows(staging, [], by=maintainer)


def test_a_freeze_by_page_and_by_api(staging: Environment, boss: User, maintainer: User) -> None:
    client = web(maintainer)
    soon = timezone.localtime() + timedelta(hours=2)
    form = {"scope": "staging", "reason": "the fair", "ends": f"{soon:%Y-%m-%dT%H:%M}", "zone": "UTC"}
    client.post("/settings/windows/freezes/make", form)
    assert "the fair" in told(client)
    made = windows.lasting().get()
    assert (made.scope, made.by) == ("staging", maintainer)
    assert api(boss, "get", "/freezes").json()["items"][0]["reason"] == "the fair"
    body = {"scope": "*", "reason": "quiet days", "ends": (soon + timedelta(days=2)).isoformat()}
    assert api(maintainer, "post", "/freezes", body).status_code == 201
    other = builders.make_user(role=Role.MAINTAINER)
    assert api(other, "delete", f"/freezes/{made.pk}").json()["kind"] == "not-yours"
    client.post(f"/settings/windows/freezes/{made.pk}/lift")
    assert "lifted" in told(client)
    assert api(boss, "delete", f"/freezes/{made.pk}").json()["kind"] == "not-possible"
    kinds = Event.objects.filter(kind__startswith="freeze.").order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["freeze.made", "freeze.made", "freeze.lifted"]


@pytest.mark.parametrize(("starts", "ends"), [(0, -1), (3, 2), (1, 1), (0, 24 * 400)])
def test_a_freeze_has_an_end_after_its_beginning(starts: int, ends: int, staging: Environment, boss: User) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    with pytest.raises(windows.WrongFreeze):
        windows.freeze(
            locks.of_environment(staging), by=boss, reason="fair", starts=now + starts * hour, ends=now + ends * hour
        )


def test_who_may_not_freeze(staging: Environment) -> None:
    deployer, now = builders.make_user(), timezone.now()
    with pytest.raises(NotAllowed):
        windows.freeze(locks.ALL, by=deployer, reason="fair", starts=None, ends=now + timedelta(hours=1))
    body = {"scope": "*", "reason": "quiet", "ends": (now + timedelta(hours=1)).isoformat()}
    assert api(deployer, "post", "/freezes", body).status_code == 403


def test_two_weeks_ahead_over_the_change_of_the_clock(staging: Environment) -> None:
    hours = [windows.read_window(OFFICE)]
    now = datetime(2026, 3, 26, 12, tzinfo=UTC)
    fair = windows.freeze(
        locks.of_environment(staging), by=None, reason="fair", starts=None, ends=timezone.now() + timedelta(hours=1)
    )
    fair.starts, fair.ends = datetime(2026, 3, 30, 10, tzinfo=UTC), datetime(2026, 4, 1, 22, tzinfo=UTC)
    days = read_fortnight(hours, [fair], now=now, zone="Europe/Berlin")
    assert [day.told for day in days[:7]] == [
        "open 09:00-17:00",
        "open 09:00-17:00",
        "closed",
        "closed",
        "open 09:00-17:00; frozen 12:00-24:00",
        "open 09:00-17:00; frozen all day",
        "open 09:00-17:00; frozen all day",
    ]
    assert (days[0].now, days[1].now) == (52, None)
    (bar,) = days[1].opened
    assert (bar.top, bar.height) == (36, 32)


def test_the_page_takes_as_many_queries_however_many_there_are(boss: User, django_assert_max_num_queries: Any) -> None:
    client = web(boss)
    for number in range(12):
        place = builders.make_environment(name=f"place-{number}", windows=[OFFICE])
        for _ in range(3):
            windows.freeze(
                locks.of_environment(place), by=boss, reason="x", starts=None, ends=timezone.now() + timedelta(hours=1)
            )
    with django_assert_max_num_queries(15):
        told(client)
