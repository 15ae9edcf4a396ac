"""Who tries too often: by name and address, by address alone, with tokens; and how it ends."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from environments import access, tries
from environments.models import Role, User
from notifications.models import Event
from notifications.sentences import tell
from tests import builders
from tests.deployments.api_client import API, check_problem

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)


def try_once(name: str = "ada", password: str = "wrong", *, address: str = "203.0.113.7", agent: str = "x") -> Any:
    return Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent).post("/signin", {"username": name, "password": password})


def make_later(by: timedelta) -> None:
    """As if that much time had passed since every try so far."""
    for row in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=row.pk).update(attempt_time=row.attempt_time - by)


class Counting(hashers.MD5PasswordHasher):
    algorithm = "counting"
    calls = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        type(self).calls += 1
        return super().encode(password, salt)


class TestByName:
    def test_the_tenth_wrong_try_closes_the_name_from_there_and_nothing_else(self, ada: User) -> None:
        builders.make_user(username="ben", password=PASSWORD)
        answers = [try_once(agent=f"browser {number % 3}") for number in range(10)]
        assert [answer.status_code for answer in answers] == [422] * 9 + [429]
        refused = try_once(password=PASSWORD)
        assert refused.status_code == 429
        assert 890 < int(refused["Retry-After"]) <= 901
        told = refused.content.decode()
        assert "Too many wrong tries came from where you are" in told
        assert 'data-as="at"' in told, "until when"
        assert "do not belong together" not in told
        assert try_once("ben", PASSWORD).status_code == 302
        assert try_once(password=PASSWORD, address="203.0.113.8").status_code == 302

    def test_it_opens_after_a_quarter_of_an_hour_that_further_tries_do_not_make_longer(self, ada: User) -> None:
        for _ in range(10):
            try_once()
        make_later(tries.WAIT - timedelta(minutes=1))
        assert try_once(password=PASSWORD).status_code == 429
        make_later(timedelta(minutes=1))
        assert try_once(password=PASSWORD).status_code == 302

    def test_signing_in_forgets_what_was_wrong_before(self, ada: User) -> None:
        for _ in range(9):
            try_once()
        assert try_once(password=PASSWORD).status_code == 302
        assert [try_once().status_code for _ in range(9)] == [422] * 9

    def test_a_name_that_nobody_has_is_refused_alike(self, ada: User) -> None:
        for name in ("ada", "nobody"):
            answers = [try_once(name) for _ in range(11)]
            assert [answer.status_code for answer in answers] == [422] * 9 + [429] * 2
        known, unknown = (try_once(name).content.decode().replace(name, "") for name in ("ada", "nobody"))
        assert len(known) == pytest.approx(len(unknown), abs=8)  # tokens and times differ, nothing else

    def test_it_is_told_once_and_a_name_that_nobody_has_is_not(self, ada: User) -> None:
        for name in ("ada", "my password, typed into the wrong field"):
            for _ in range(12):
                try_once(name)
        first, second = Event.objects.filter(kind="signin.barred").order_by("id")
        assert "wrong passwords for ada from one address came" in tell(first).text
        assert first.address == "203.0.113.7"
        assert "my password" not in f"{second.facts} {tell(second).text}"

    def test_nothing_of_what_was_typed_is_kept_but_the_name(self, ada: User) -> None:
        try_once(password="secret of somebody")
        try_once(password="secret of somebody")
        row = AccessAttempt.objects.values().get()
        assert "secret of somebody" not in str(row)
        assert row["username"] == "ada"


class TestTheSameWork:
    """A stranger who measures learns not who exists: the same number of hashes, and of statements."""

    @pytest.fixture(autouse=True)
    def _counted(self, settings: Any) -> None:
        settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]

    def test_each_wrong_try_costs_one_hash(self) -> None:
        builders.make_user(username="there", password=PASSWORD)
        builders.make_user(username="disabled", password=PASSWORD, is_active=False)
        builders.make_user(username="invited")
        costs = set()
        for name in ("there", "disabled", "invited", "nobody"):
            Counting.calls = 0
            with CaptureQueriesContext(connection) as asked:
                assert try_once(name).status_code == 422
            costs.add((Counting.calls, *(query["sql"].split(" ")[0] for query in asked)))
        assert len(costs) == 1, "whoever it is, the same number of hashes and the same statements"
        assert costs.pop()[0] == 1

    def test_what_is_refused_costs_no_hash_for_anyone(self, ada: User) -> None:
        for name in ("ada", "nobody"):
            for _ in range(10):
                try_once(name)
            Counting.calls = 0
            assert try_once(name).status_code == 429
            assert Counting.calls == 0


class TestByAddress:
    @pytest.fixture(autouse=True)
    def _fewer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tries, "OF_AN_ADDRESS", 20)

    def test_who_tries_many_names_is_refused_for_all_of_them(self, ada: User) -> None:
        for number in range(tries.OF_AN_ADDRESS):
            last = try_once(f"person-{number}")
        assert last.status_code == 429
        assert try_once(password=PASSWORD).status_code == 429
        assert try_once(password=PASSWORD, address="203.0.113.8").status_code == 302

    def test_ten_thousand_tries_leave_few_rows(self, ada: User) -> None:
        """A37: each further one is one look, and nothing is written."""
        for number in range(40):
            try_once(f"person-{number % 8}", agent=str(number))
        assert AccessAttempt.objects.count() == tries.OF_AN_ADDRESS
        with CaptureQueriesContext(connection) as asked:
            try_once("yet another")
        assert not [query for query in asked if query["sql"].startswith(("INSERT", "UPDATE"))]

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("", None),
            ("unix:", None),
        ],
    )
    def test_an_address_of_the_new_kind_counts_by_its_network(self, text: str, kept: str | None) -> None:
        assert tries.address_of(RequestFactory(REMOTE_ADDR=text).get("/")) == kept

    def test_what_a_visitor_writes_about_themselves_is_not_believed(self, ada: User) -> None:
        """proxies.py has set the visitor's address from a trusted proxy, and nothing else counts."""
        for number in range(10):
            headers = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"}
            answer = Client(REMOTE_ADDR="203.0.113.7", headers=headers).post(
                "/signin", {"username": "ada", "password": "wrong"}
            )
        assert answer.status_code == 429


@pytest.mark.parametrize(
    ("ages", "most", "left"),
    [([], 2, None), ([5], 2, None), ([5, 9], 2, 6), ([1, 5, 9], 2, 10), ([1, 5, 9], 3, 6), ([15], 1, 0)],
)
def test_it_opens_when_enough_of_them_are_old(ages: list[int], most: int, left: int | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=timezone.get_current_timezone())
    found = tries.until_below([(now - timedelta(minutes=age), 1) for age in ages], most)
    assert found == (None if left is None else now + timedelta(minutes=left))


class TestAdministrators:
    def test_one_lets_a_person_try_again_at_once(self, ada: User) -> None:
        builders.make_user(username="ben", password=PASSWORD, first_name="Ben")
        for address in ("203.0.113.7", "2001:db8::1"):
            for _ in range(10):
                try_once("ben", address=address)
        client = Client()
        client.force_login(ada)
        page = client.get(reverse("settings-person", args=["ben"])).content.decode()
        assert "<code>203.0.113.7</code>" in page
        assert "<code>2001:db8::</code>" in page
        after = client.post(reverse("forget-tries", args=["ben"]), follow=True).content.decode()
        assert "Ben may try again at once" in after
        assert "Nothing is refused" in after
        assert try_once("ben", PASSWORD).status_code == 302
        assert tell(Event.objects.get(kind="signin.opened")).text == "ada let ben try to sign in again at once."

    def test_nobody_else_does(self, ada: User) -> None:
        with pytest.raises(access.NotAllowed):
            tries.forget(ada, by=builders.make_user(username="ben", role=Role.MAINTAINER))

    def test_the_page_of_a_person_asks_as_much_whatever_was_tried(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        numbers = []
        for count in (0, 30):
            for number in range(count):
                for _ in range(10):
                    try_once("ada", address=f"198.51.100.{number}")
            with CaptureQueriesContext(connection) as asked:
                assert client.get(reverse("settings-person", args=["ada"])).status_code == 200
            numbers.append(len(asked))
        assert numbers[0] == numbers[1] <= 15

    def test_a_person_who_is_not_there_has_no_page(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        assert client.get(reverse("settings-person", args=["nobody"])).status_code == 404


class TestTokens:
    def test_the_tenth_wrong_one_is_a_problem_that_says_until_when(self, ada: User) -> None:
        guesser = API("dpl_wrong")
        for _ in range(9):
            check_problem(guesser.get("deploys"), 401, "unauthenticated")
        answer = guesser.post("deploys/1/cancel", {"a": 1})
        said = check_problem(answer, 429, "too-many-tries")
        assert datetime.fromisoformat(said["until"]) > timezone.now()
        assert 0 < int(answer["Retry-After"]) <= 901
        check_problem(API("dpl_another").get("deploys"), 429, "too-many-tries")
        assert Event.objects.filter(kind="signin.barred", facts__tries="wrong tokens from one address").count() == 1

    def test_a_right_one_still_opens_and_so_does_a_password(self, ada: User) -> None:
        for _ in range(12):
            API("dpl_wrong").get("deploys")
        assert API(builders.make_token(user=ada)).get("deploys").status_code == 200
        assert try_once(password=PASSWORD, address="127.0.0.1").status_code == 302
