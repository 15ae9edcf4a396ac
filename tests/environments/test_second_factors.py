"""What one shows beside the password: added, asked for at the door, removed, taken away, required."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.base_user import AbstractBaseUser
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from deployments.admission import Ticket
from environments import access, people, second_factor_pages, second_factors, tries
from environments.models import Role, User
from notifications.models import Event
from notifications.sentences import tell
from tests import builders

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", password=PASSWORD, role=Role.ADMINISTRATOR)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that codes are made by; tests move it."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(f"{second_factors.__name__}.time.time", lambda: now[0])
    return now


def code_of(secret: str, at: float | None = None) -> str:
    return str(totp.format_hotp_value(totp.hotp_value(secret, int(time.time() if at is None else at) // 30)))


def with_app(person: User) -> list[str]:
    """Their codes for a bad day. Codes of the app of half a minute ago count as used."""
    codes = second_factors.add_app(person, SECRET, code_of(SECRET, time.time() - 30))
    person.refresh_from_db()
    return codes


def sign_in(client: Client, person: User, password: str = PASSWORD, to: str = "") -> Any:
    return client.post("/signin", {"username": person.username, "password": password, "next": to})


def proved(person: User) -> Client:
    client = Client()
    assert sign_in(client, person).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return bool(client.get("/settings").status_code == 200)


class TestVerbs:
    def test_an_app_is_added_with_a_code_of_it_and_ten_codes_come_along(self, ada: User) -> None:
        with pytest.raises(second_factors.WrongCode):
            second_factors.add_app(ada, SECRET, "000000")
        assert not second_factors.has_one(ada)
        codes = with_app(ada)
        assert len(set(codes)) == 10
        assert [(found.kind, found.used_at) for found in second_factors.factors_of(ada)] == [("app", None)]
        with pytest.raises(second_factors.AlreadySo):
            second_factors.add_app(ada, SECRET, code_of(SECRET))
        told = tell(Event.objects.get(kind="factor.added")).text
        assert told == "ada added a second factor: app “An app”."

    def test_what_is_kept_is_sealed(self, ada: User) -> None:
        codes = with_app(ada)
        kept = str(list(Authenticator.objects.values_list("data", flat=True)))
        assert SECRET not in kept
        assert not [code for code in codes if code in kept]
        assert SECRET not in str(list(Event.objects.values_list("facts", flat=True)))

    @pytest.mark.parametrize(("seconds", "right"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
    def test_a_code_is_good_for_its_half_minute_and_those_beside_it(
        self, seconds: int, right: bool, ada: User, clock: list[float]
    ) -> None:
        second_factors.add_app(ada, SECRET, code_of(SECRET, clock[0]))
        clock[0] += 3600
        code = code_of(SECRET, clock[0] + seconds)
        if right:
            second_factors.prove_by_code(ada, f" {code[:3]} {code[3:]} ")
        else:
            with pytest.raises(second_factors.WrongCode):
                second_factors.prove_by_code(ada, code)

    def test_a_code_opens_once_and_none_before_it_either(self, ada: User, clock: list[float]) -> None:
        second_factors.add_app(ada, SECRET, code_of(SECRET, clock[0]))
        for code in (code_of(SECRET, clock[0]), code_of(SECRET, clock[0] - 30)):
            with pytest.raises(second_factors.WrongCode):
                second_factors.prove_by_code(ada, code)
        clock[0] += 30
        second_factors.prove_by_code(ada, code_of(SECRET, clock[0]))
        with pytest.raises(second_factors.WrongCode):
            second_factors.prove_by_code(ada, code_of(SECRET, clock[0]))

    def test_a_kept_code_opens_once(self, ada: User) -> None:
        codes = with_app(ada)
        second_factors.prove_by_code(ada, codes[3])
        assert second_factors.codes_left(ada) == 9
        with pytest.raises(second_factors.WrongCode):
            second_factors.prove_by_code(ada, codes[3])
        assert tell(Event.objects.get(kind="factor.code_used")).text == "ada used a code for a bad day; 9 are left."

    def test_new_codes_void_the_old_ones(self, ada: User) -> None:
        old = with_app(ada)
        new = second_factors.renew_codes(ada)
        assert not set(old) & set(new)
        with pytest.raises(second_factors.WrongCode):
            second_factors.prove_by_code(ada, old[0])
        second_factors.prove_by_code(ada, new[0])

    def test_codes_without_a_factor_are_not_made(self, ada: User) -> None:
        with pytest.raises(second_factors.NoSuchFactor):
            second_factors.renew_codes(ada)

    def test_with_the_last_one_the_codes_go_too(self, ada: User) -> None:
        with_app(ada)
        (factor,) = second_factors.factors_of(ada)
        stranger = builders.make_user(username="ben")
        with pytest.raises(second_factors.NoSuchFactor):
            second_factors.remove(stranger, factor.pk)
        second_factors.remove(ada, factor.pk)
        assert not Authenticator.objects.exists()

    @pytest.mark.parametrize("answer", ["", "x", "[]", "{}", "1", '{"id": 1}', '{"rawId": "AA", "response": {}}'])
    def test_no_answer_of_a_browser_breaks_anything(self, answer: str, ada: User) -> None:
        client = proved(ada)
        client.get(reverse("second-factors"))
        page = client.post(reverse("add-passkey"), {"name": "x", "answer": answer}, follow=True).content.decode()
        assert "does not fit what was asked" in page
        assert not second_factors.has_one(ada)

    @pytest.mark.parametrize(
        ("setting", "role", "wanted"),
        [
            ("optional", Role.ADMINISTRATOR, False),
            ("administrators", Role.ADMINISTRATOR, True),
            ("administrators", Role.MAINTAINER, False),
            ("everyone", Role.GUEST, True),
        ],
    )
    def test_of_whom_one_is_required(self, setting: str, role: str, wanted: bool, settings: Settings) -> None:
        settings.SECOND_FACTOR = setting
        assert second_factors.is_required_of(builders.make_user(role=role)) is wanted


class TestAtTheDoor:
    def test_the_password_alone_opens_nothing(self, ada: User) -> None:
        with_app(ada)
        client = Client()
        assert sign_in(client, ada, to="/activity").headers["Location"] == "/signin/second"
        assert not is_in(client)
        assert client.get("/api/v1/deploys").status_code == 401
        assert not Event.objects.filter(kind="signed_in").exists()
        assert client.post("/signin/second", {"code": "123456"}).status_code == 422
        assert not is_in(client)
        answer = client.post("/signin/second", {"code": code_of(SECRET)})
        assert answer.headers["Location"] == "/activity"
        assert is_in(client)
        assert Event.objects.get(kind="signed_in").facts["factor"] == "a code"

    def test_without_the_password_it_asks_for_that_first(self, ada: User) -> None:
        with_app(ada)
        client = Client()
        for method in (client.get, client.post):
            assert method("/signin/second", {"code": code_of(SECRET)}).headers["Location"] == "/signin"

    def test_a_session_gets_another_key_at_each_step(self, ada: User) -> None:
        with_app(ada)
        client, keys = Client(), []
        client.get("/signin")
        for step in (lambda: sign_in(client, ada), lambda: client.post("/signin/second", {"code": code_of(SECRET)})):
            step()
            keys.append(client.session.session_key)
        assert len(set(keys)) == 2

    @pytest.mark.parametrize("change", ["late", "disabled", "password"])
    def test_what_was_begun_ends(self, change: str, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
        with_app(ada)
        client = Client()
        sign_in(client, ada)
        if change == "late":
            monkeypatch.setattr(second_factor_pages, "PENDING_SECONDS", -1)
        elif change == "disabled":
            User.objects.update(is_active=False)
        else:
            people.change_password(ada, old=PASSWORD, new="another long sentence")
        assert client.post("/signin/second", {"code": code_of(SECRET)}).headers["Location"] == "/signin"
        assert not is_in(client)

    def test_ten_wrong_codes_close_it_from_everywhere_until_an_administrator_opens_it(self, ada: User) -> None:
        ben = builders.make_user(username="ben", password=PASSWORD)
        with_app(ben)
        for number in range(10):
            client = Client(REMOTE_ADDR=f"203.0.113.{number}")
            sign_in(client, ben)
            answer = client.post("/signin/second", {"code": "123456"})
        assert answer.status_code == 429
        assert 'data-as="at"' in answer.content.decode()
        assert client.post("/signin/second", {"code": code_of(SECRET)}).status_code == 429
        assert "wrong codes for ben came" in tell(Event.objects.get(kind="signin.barred")).text
        page = proved(ada).get(reverse("settings-person", args=["ben"])).content.decode()
        assert "Codes of the second factor are refused" in page
        tries.forget(ben, by=ada)
        assert client.post("/signin/second", {"code": code_of(SECRET)}).status_code == 302

    def test_a_link_to_a_new_password_does_not_go_around_it(self, ada: User) -> None:
        ben = builders.make_user(username="ben", password=PASSWORD)
        with_app(ben)
        client = Client()
        address = reverse("join", args=people.link_of(ben, by=ada))
        new = "another long sentence"
        assert client.post(address, {"password": new, "again": new}).headers["Location"] == "/signin/second"
        assert not is_in(client)
        client.post("/signin/second", {"code": code_of(SECRET)})
        assert is_in(client)


class TestOwnPage:
    def test_an_app_is_added_and_asked_for(self, ada: User) -> None:
        elsewhere, client = proved(ada), proved(ada)
        page = client.get(reverse("second-factors"))
        assert page["Cache-Control"] == "no-store"
        secret = page.context["secret"]
        assert secret in page.content.decode()
        assert "<svg" in page.content.decode()
        assert secret not in str(client.session.items()), "sealed there too"
        wrong = client.post(reverse("add-app"), {"code": "000000"}, follow=True)
        assert "This code is not right" in wrong.content.decode()
        assert wrong.context["secret"] == secret, "the app has it already"
        told = client.post(reverse("add-app"), {"code": code_of(secret)}).content.decode()
        codes = re.findall(r"<li>(\d{4} \d{4})</li>", told)
        assert len(codes) == 10
        assert codes[0] not in client.get(reverse("second-factors")).content.decode(), "shown once"
        assert is_in(client)
        assert not is_in(elsewhere), "it was begun with the password alone"

    def test_nothing_changes_without_the_password_typed_lately(self, ada: User) -> None:
        with_app(ada)
        client = Client()
        client.force_login(ada)
        (factor,) = second_factors.factors_of(ada)
        page = client.get(reverse("second-factors"))
        assert "secret" not in page.context
        for route, args in (("add-app", []), ("add-passkey", []), ("renew-codes", []), ("remove-factor", [factor.pk])):
            told = client.post(reverse(route, args=args), follow=True).content.decode()
            assert "Type your password first" in told
        client.post(reverse("prove-again"), {"password": "wrong"})
        assert client.post(reverse("renew-codes")).status_code == 302
        client.post(reverse("prove-again"), {"password": PASSWORD})
        assert client.post(reverse("renew-codes")).status_code == 200
        client.post(reverse("remove-factor", args=[factor.pk]))
        assert not second_factors.has_one(ada)

    def test_the_password_is_not_guessed_there(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        for _ in range(10):
            answer = client.post(reverse("prove-again"), {"password": "wrong"})
        assert answer.status_code == 429
        assert "Too many wrong tries" in answer.content.decode()
        assert client.post(reverse("prove-again"), {"password": PASSWORD}).status_code == 429


class TestAdministrators:
    def test_one_takes_them_away_and_every_session_ends(self, ada: User) -> None:
        ben = builders.make_user(username="ben", password=PASSWORD)
        with_app(ben)
        there = Client()
        there.force_login(ben)
        client = proved(ada)
        assert "An app" in client.get(reverse("settings-person", args=["ben"])).content.decode()
        page = client.post(reverse("take-factors", args=["ben"]), follow=True).content.decode()
        assert "has no second factor any more" in page
        assert not is_in(there)
        assert is_in(proved(ben)), "the password alone again"
        assert tell(Event.objects.get(kind="factor.taken")).text == "ada took the second factors of ben away."
        with pytest.raises(second_factors.AlreadySo):
            second_factors.take_away(ben, by=ada)

    def test_nobody_else_does(self, ada: User) -> None:
        with pytest.raises(access.NotAllowed):
            second_factors.take_away(ada, by=builders.make_user(role=Role.MAINTAINER))


class TestRequired:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Settings) -> None:
        settings.SECOND_FACTOR = "administrators"

    def test_who_owes_one_is_led_to_setting_it_up_and_to_nothing_else(self, ada: User) -> None:
        client = proved(ada)
        for address in ("/", "/settings", "/settings/people", "/admin/", "/hosts"):
            assert client.get(address).headers["Location"] == reverse("second-factors")
        assert client.post("/settings/tokens/make", {"name": "x"}).status_code == 403
        fragment = client.get("/hosts", headers={"HX-Request": "true"})
        assert fragment["HX-Redirect"] == reverse("second-factors")
        assert client.get("/api/v1/deploys").json()["kind"] == "second-factor"
        page = client.get(reverse("second-factors"))
        assert "One is required here" in page.content.decode()
        client.post(reverse("add-app"), {"code": code_of(page.context["secret"])})
        assert is_in(client)
        assert client.get("/api/v1/deploys").status_code == 200

    def test_so_is_a_session_of_before(self, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        assert client.get("/").headers["Location"] == reverse("second-factors")
        client.post(reverse("prove-again"), {"password": PASSWORD})
        assert "secret" in client.get(reverse("second-factors")).context

    def test_others_and_tokens_are_not_asked(self, ada: User) -> None:
        client = Client()
        client.force_login(builders.make_user(role=Role.MAINTAINER))
        assert is_in(client)
        token = builders.make_token(user=ada)
        assert Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/deploys").status_code == 200

    def test_the_last_one_stays(self, ada: User) -> None:
        with_app(ada)
        (factor,) = second_factors.factors_of(ada)
        with pytest.raises(second_factors.StillRequired):
            second_factors.remove(ada, factor.pk)

    def test_who_has_one_costs_no_statement_more(self, ada: User, django_assert_max_num_queries: Any) -> None:
        with_app(ada)
        client = Client()
        sign_in(client, ada)
        client.post("/signin/second", {"code": code_of(SECRET)})
        with django_assert_max_num_queries(15):
            assert is_in(client)


class Plain(AbstractBaseUser):
    """A person as Django has them."""

    class Meta:
        app_label = "tests"
        managed = False


def test_sessions_of_before_there_was_a_mark_hold(ada: User) -> None:
    """What an upgrade adds signs nobody out."""
    assert ada.get_session_auth_hash() == AbstractBaseUser.get_session_auth_hash(Plain(password=ada.password))
    client = Client()
    client.force_login(ada)
    assert is_in(client)
    User.objects.update(session_mark="another")
    assert not is_in(client)


def test_a_socket_holds_no_longer_than_a_page_would(ada: User, settings: Settings) -> None:
    client = Client()
    client.force_login(ada)
    ticket = Ticket(session=client.session.session_key or "")
    assert ticket.user() == ada
    settings.SECOND_FACTOR = "everyone"
    assert ticket.user() is None
