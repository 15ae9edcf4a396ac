"""What a token is for: never more than its person may, never more than its scopes, nowhere but in its application."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from environments import access, tokens
from environments.access import ADMINISTER, DEPLOY, LOCK, MAINTAIN, SIGNED_IN, VIEW, NotAllowed
from environments.models import Role, Target, Token, User
from tests.builders import make_target, make_user

pytestmark = pytest.mark.django_db
ALL = {SIGNED_IN, VIEW, DEPLOY, LOCK, MAINTAIN, ADMINISTER}


def by_token(user: User, *scopes: str, target: Target | None = None) -> User:
    """The person as one who came by such a token."""
    application = target.application if target else None
    found = tokens.find(tokens.create(user=user, scope=tokens.read_scopes(scopes), application=application))
    assert found
    return found.user


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (("read",), {SIGNED_IN, VIEW}),
        (("deploy",), {SIGNED_IN, VIEW, DEPLOY}),
        (("lock",), {SIGNED_IN, VIEW, LOCK}),
        (("deploy", "lock"), {SIGNED_IN, VIEW, DEPLOY, LOCK}),
        (("admin",), ALL),
    ],
)
def test_a_token_does_no_more_than_it_is_for(scopes: tuple[str, ...], may: set[str]) -> None:
    target = make_target()
    ada = by_token(make_user(role=Role.ADMINISTRATOR), *scopes)
    root = by_token(make_user(is_superuser=True), *scopes)
    for user in (ada, root):
        assert {permission for permission in ALL if access.allows(user, permission, target)} == may


def test_nor_more_than_its_person_may() -> None:
    target = make_target()
    vera = by_token(make_user(role=Role.VIEWER), "admin")
    assert {permission for permission in ALL if access.allows(vera, permission, target)} == {SIGNED_IN, VIEW}


def test_nor_elsewhere() -> None:
    shop, blog = make_target(), make_target()
    ada = by_token(make_user(role=Role.ADMINISTRATOR), "admin", target=shop)
    assert access.allows(ada, DEPLOY, shop)
    assert access.allows(ada, MAINTAIN, application=shop.application)
    assert access.allows_somewhere(ada, VIEW)
    assert not access.allows(ada, VIEW, blog)
    assert not access.allows(ada, ADMINISTER)
    assert not access.allows(ada, DEPLOY, environment=shop.environment)
    assert list(Target.objects.filter(access.visible(ada))) == [shop]


def test_one_that_is_over_opens_nothing() -> None:
    ben = make_user()
    plain = tokens.make(user=ben, name="build", days=1, scopes=["deploy"], by=ben)
    assert tokens.find(plain)
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tokens.find(plain) is None


@pytest.mark.parametrize("scopes", [[], ["fly"], ["read", "fly"], [""]])
def test_one_for_nothing_or_for_what_there_is_not_is_refused(scopes: list[str]) -> None:
    ben = make_user()
    with pytest.raises(tokens.WrongScope):
        tokens.make(user=ben, name="build", days=None, scopes=scopes, by=ben)
    for days in (0, -1, 100_000):
        with pytest.raises(tokens.WrongDays):
            tokens.make(user=ben, name="build", days=days, scopes=["read"], by=ben)
    with pytest.raises(CommandError, match="one or more of"):
        call_command("token", ben.username, "--scope", ",".join(scopes) or "fly")
    assert not Token.objects.exists()


def test_who_came_by_a_token_makes_and_revokes_none_without_admin() -> None:
    ben = make_user()
    own = by_token(ben, "deploy")
    with pytest.raises(NotAllowed, match="This token was made for less"):
        tokens.make(user=ben, name="for ever", days=None, scopes=["deploy"], by=own)
    with pytest.raises(NotAllowed):
        tokens.withdraw(Token.objects.get(), by=own)
    tokens.make(user=ben, name="another", days=1, scopes=["read"], by=by_token(ben, "admin"))
