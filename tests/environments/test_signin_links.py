"""The link by which the first administrator comes in: once, in time, and one at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from environments import signin_links
from environments.access import ADMINISTER, allows
from environments.models import Role, SignInLink, User
from environments.signin_links import Chosen, LinkUnusable
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
GRACE = Chosen("grace", "Grace Brewster Hopper", "seven-words-are-long")


def secret_of(link: str) -> str:
    return link.rsplit("/", 1)[1]


def test_it_makes_an_administrator_once() -> None:
    secret = secret_of(signin_links.make())
    user = signin_links.use(secret, GRACE)
    assert allows(user, ADMINISTER)
    assert (user.full_name, user.check_password("seven-words-are-long")) == ("Grace Brewster Hopper", True)
    with pytest.raises(LinkUnusable, match="used already"):
        signin_links.use(secret, Chosen("eve", "Eve", "seven-words-are-long"))
    assert list(User.objects.values_list("username", flat=True)) == ["grace"]
    assert Event.objects.get(kind="person.added").actor == "grace"


def test_only_its_hash_is_kept() -> None:
    secret = secret_of(signin_links.make())
    assert secret not in str(SignInLink.objects.values())
    assert secret not in str(list(Event.objects.values_list("facts", flat=True)))


def test_it_expires() -> None:
    secret = secret_of(signin_links.make())
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(LinkUnusable):
        signin_links.find(secret)
    with pytest.raises(LinkUnusable):
        signin_links.use(secret, GRACE)


def test_a_newer_one_takes_its_place() -> None:
    old, new = secret_of(signin_links.make()), secret_of(signin_links.make())
    with pytest.raises(LinkUnusable):
        signin_links.find(old)
    assert signin_links.use(new, GRACE).username == "grace"


@pytest.mark.parametrize("secret", ["", "x", "x" * 5000, "../signin", "\ud800"])
def test_a_guess_opens_nothing(secret: str) -> None:
    signin_links.make()
    with pytest.raises(LinkUnusable):
        signin_links.find(secret)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_it_at_once_one_becomes_an_administrator() -> None:
    secret = secret_of(signin_links.make())
    link = signin_links.find(secret)
    together = threading.Barrier(6)

    def use(number: int) -> bool:
        try:
            together.wait(60)
            signin_links.use(secret, Chosen(f"person{number}", "Some One", "seven-words-are-long"))
        except LinkUnusable:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == [False] * 5 + [True]
    assert (User.objects.count(), SignInLink.objects.filter(pk=link.pk).exists()) == (1, False)


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({"role": Role.ADMINISTRATOR, "password": "x"}, True),
        ({"role": Role.VIEWER, "is_superuser": True, "password": "x"}, True),
        ({"role": Role.ADMINISTRATOR, "password": "x", "is_active": False}, False),
        ({"role": Role.ADMINISTRATOR}, False),
        ({"role": Role.DEPLOYER, "password": "x"}, False),
    ],
)
def test_whether_an_administrator_can_sign_in(fields: dict[str, object], there: bool) -> None:
    builders.make_user(**fields)  # type: ignore[arg-type]
    assert signin_links.is_anybody_there() is there


class TestPage:
    def post(self, client: Client, link: str, **facts: str) -> object:
        wanted = {"full_name": "Grace Hopper", "username": "grace", "password": "seven-words-are-long"} | facts
        return client.post(f"/welcome/{secret_of(link)}", wanted)

    def test_one_chooses_a_name_and_is_signed_in(self, client: Client) -> None:
        link = signin_links.make()
        assert client.get(f"/welcome/{secret_of(link)}").status_code == 200
        assert client.get(f"/welcome/{secret_of(link)}").status_code == 200, "a look has used it up"
        response = self.post(client, link)
        assert response.headers["Location"] == "/start"  # type: ignore[attr-defined]
        assert client.get("/start").status_code == 200
        gone = client.get(f"/welcome/{secret_of(link)}")
        assert (gone.status_code, gone.headers["Cache-Control"]) == (410, "no-store")
        assert "manage.py signin-link" in gone.content.decode()

    @pytest.mark.parametrize(
        ("facts", "told"),
        [
            ({"password": "short"}, "too short"),
            ({"password": "grace-hopper"}, "too similar"),
            ({"username": "a b"}, "Enter a valid username"),
            ({"username": "ADA"}, "called so already"),
            ({"full_name": ""}, "required"),
        ],
    )
    def test_what_cannot_be_is_said_and_the_link_stays(self, facts: dict[str, str], told: str, client: Client) -> None:
        builders.make_user(username="ada")
        link = signin_links.make()
        response = self.post(client, link, **facts)
        assert response.status_code == 422  # type: ignore[attr-defined]
        assert told in response.content.decode()  # type: ignore[attr-defined]
        assert SignInLink.objects.count() == 1


class TestCommand:
    def test_it_prints_a_new_link(self) -> None:
        out = StringIO()
        call_command("signin-link", stdout=out)
        assert signin_links.use(secret_of(out.getvalue().split()[-1]), GRACE).username == "grace"

    def test_it_helps_whoever_lost_a_password(self, client: Client) -> None:
        builders.make_user(username="ada")
        out = StringIO()
        call_command("signin-link", "ada", stdout=out)
        address = "/" + out.getvalue().split()[-1].split("/", 3)[3]
        assert client.get(address).status_code == 200
        with pytest.raises(CommandError, match="no user 'eve'"):
            call_command("signin-link", "eve", stdout=out)
