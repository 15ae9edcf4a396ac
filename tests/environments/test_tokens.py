"""Tokens: shown once, kept as a hash, noted when used."""

import hashlib
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from environments import tokens
from environments.access import NotAllowed
from environments.models import Role, Token, User
from notifications.models import Event
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_only_its_hash_is_kept() -> None:
    user = make_user()
    plain = tokens.create(user=user, machine=True, by="ada")
    assert re.fullmatch(r"dpl_[A-Za-z0-9_-]{40}", plain)
    kept = Token.objects.get()
    assert (kept.user, kept.machine) == (user, True)
    assert kept.digest == hashlib.sha256(plain.encode()).hexdigest()
    event = Event.objects.get(kind="token.created")
    facts = {"user": user.username, "token": kept.pk, "machine": True, "scope": "admin"}
    assert (event.actor, event.facts) == ("ada", facts)
    assert plain not in str(event.facts)


def test_no_two_are_alike() -> None:
    user = make_user()
    assert len({tokens.create(user=user) for _ in range(50)}) == 50


def test_it_is_found_with_its_user() -> None:
    user = make_user()
    found = tokens.find(tokens.create(user=user))
    assert found is not None
    assert (found.user, found.machine) == (user, False)


@pytest.mark.parametrize(
    "wrong", ["", "dpl_", "dpl_" + "x" * 40, "x" * 44, "dpl_\x00", "dpl_ü", "dpl_\ud800", "dpl_" + "x" * 10**6]
)
def test_a_guess_finds_nothing(wrong: str) -> None:
    tokens.create(user=make_user())
    assert tokens.find(wrong) is None


def test_neither_the_hash_nor_another_case_opens_anything() -> None:
    plain = tokens.create(user=make_user())
    assert tokens.find(Token.objects.get().digest) is None
    assert tokens.find("dpl_" + Token.objects.get().digest) is None
    assert tokens.find(plain + "x") is None
    assert tokens.find(plain[:-1]) is None


def test_of_someone_disabled_it_opens_nothing() -> None:
    plain = tokens.create(user=make_user())
    User.objects.update(is_active=False)
    assert tokens.find(plain) is None
    assert Token.objects.get().used_at is None


def test_someone_disabled_gets_none() -> None:
    with pytest.raises(tokens.UserDisabled, match="gone is disabled"):
        tokens.create(user=make_user(username="gone", is_active=False))
    assert not Token.objects.exists()


def test_its_use_is_noted_at_most_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    plain = tokens.create(user=make_user())
    with django_assert_num_queries(2):
        tokens.find(plain)
    first = Token.objects.get().used_at
    assert first is not None
    with django_assert_num_queries(1):
        tokens.find(plain)
    assert Token.objects.get().used_at == first
    Token.objects.update(used_at=timezone.now() - timedelta(seconds=61))
    tokens.find(plain)
    noted = Token.objects.get().used_at
    assert noted is not None
    assert noted >= first


def test_revoked_it_opens_nothing() -> None:
    plain = tokens.create(user=make_user(username="ada"))
    tokens.revoke(Token.objects.get(), by="grace")
    assert tokens.find(plain) is None
    event = Event.objects.get(kind="token.revoked")
    assert (event.actor, event.facts["user"]) == ("grace", "ada")


@pytest.mark.parametrize("machine", [True, False])
def test_the_command_prints_it_as_the_last_word(machine: bool) -> None:
    user = make_user(username="ci")
    out = StringIO()
    call_command("token", "ci", *(["--machine"] if machine else []), stdout=out)
    found = tokens.find(out.getvalue().split()[-1])
    assert found is not None
    assert (found.user, found.machine) == (user, machine)
    assert "(command line)" in Event.objects.get(kind="token.created").actor


def test_the_command_names_what_is_wrong() -> None:
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("token", "nobody")
    make_user(username="gone", is_active=False)
    with pytest.raises(CommandError, match="gone is disabled"):
        call_command("token", "gone")
    assert not Token.objects.exists()


class TestOfPeople:
    def test_a_token_has_a_name_and_an_end(self) -> None:
        ben = make_user()
        plain = tokens.make(user=ben, name=" nightly \n build ", days=30, scopes=["deploy"], by=ben)
        row = Token.objects.get()
        assert (row.name, row.user) == ("nightly build", ben)
        assert tokens.find(plain) == row
        Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert tokens.find(plain) is None

    def test_nobody_makes_or_revokes_one_for_another_but_administrators(self) -> None:
        ben, eve = make_user(), make_user()
        ada = make_user(role=Role.ADMINISTRATOR)
        tokens.make(user=ben, name="build", days=None, scopes=["deploy"], by=ada)
        row = Token.objects.get()
        with pytest.raises(NotAllowed):
            tokens.make(user=ben, name="build", days=None, scopes=["deploy"], by=eve)
        with pytest.raises(NotAllowed):
            tokens.withdraw(row, by=eve)
        tokens.withdraw(row, by=ben)
        assert not Token.objects.exists()

    def test_one_without_a_name_is_refused(self) -> None:
        ben = make_user()
        with pytest.raises(tokens.NoName):
            tokens.make(user=ben, name="  ", days=None, scopes=["deploy"], by=ben)

    def test_the_page_shows_it_once_and_others_tokens_never(self) -> None:
        ben, eve = make_user(), make_user()
        client = Client()
        client.force_login(ben)
        page = client.post(reverse("make-token"), {"name": "build", "days": "90", "scope": ["read", "deploy"]})
        plain = page.context["plain"]
        assert (tokens.find(plain), page.headers["Cache-Control"]) == (Token.objects.get(), "no-store")
        assert plain not in client.get(reverse("settings-tokens")).content.decode()
        assert b"build" in client.get(reverse("settings-tokens")).content
        client.force_login(eve)
        assert b">build<" not in client.get(reverse("settings-tokens")).content
        theirs = {"name": "x", "days": "90", "scope": "read", "user": ben.username}
        assert client.post(reverse("make-token"), theirs).status_code == 302
        assert Token.objects.count() == 1
        client.post(reverse("revoke-token", args=[Token.objects.get().pk]))
        assert Token.objects.count() == 1
