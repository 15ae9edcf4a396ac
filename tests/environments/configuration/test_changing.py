"""Changes of values: who may, what an event says, undo, and that no secret is stored or told in the clear."""

import pytest
from django.db import IntegrityError, transaction

from environments.access import NotAllowed
from environments.configuration import changing
from environments.configuration.errors import NoSuchValue, NothingToUndo, ValueRefused
from environments.configuration.scopes import Scope
from environments.models import ConfigurationValue, Role, Target, User
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
CANARY = "canary-7Hq2-vault"


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.MAINTAINER)


@pytest.fixture
def scope() -> Scope:
    return Scope(builders.make_target(application=builders.make_application(name="shop")))


def now(scope: Scope, name: str = "A") -> ConfigurationValue:
    return ConfigurationValue.objects.get(name=name, latest=True, **scope.column)


def test_a_value_is_set_changed_and_removed_with_an_event_for_each(scope: Scope, ada: User) -> None:
    changing.set_value(scope, "A", "one", by=ada)
    changing.set_value(scope, "A", "two", by=ada)
    changing.remove_value(scope, "A", by=ada)
    assert [row.kind for row in ConfigurationValue.objects.all()] == ["text", "text", "removed"]
    assert [row.latest for row in ConfigurationValue.objects.all()] == [False, False, True]
    told = [
        (event.kind, event.actor, event.facts["before"], event.facts["now"]) for event in Event.objects.order_by("pk")
    ]
    assert told == [
        ("configuration.set", "ada", None, "one"),
        ("configuration.set", "ada", "one", "two"),
        ("configuration.removed", "ada", "two", None),
    ]
    assert {event.application for event in Event.objects.all()} == {"shop"}


def test_the_same_value_again_is_no_change(scope: Scope, ada: User) -> None:
    assert changing.set_value(scope, "A", "one", by=ada)
    assert changing.set_value(scope, "A", "one", by=ada) is None
    assert changing.set_value(scope, "A", "one", secret=True, by=ada)
    assert changing.set_value(scope, "A", "one", by=ada) is None
    assert Event.objects.count() == 2


def test_a_secret_stays_one_and_is_nowhere_in_the_clear(scope: Scope, ada: User) -> None:
    changing.set_value(scope, "A", CANARY, secret=True, by=ada)
    changing.set_value(scope, "A", CANARY + "2", by=ada)
    assert now(scope).is_secret
    assert changing.plain_text(now(scope)) == CANARY + "2"
    rows = [str(row) for row in ConfigurationValue.objects.values()] + [str(row) for row in Event.objects.values()]
    assert not [row for row in rows if CANARY in row]


def test_what_was_a_secret_is_not_told_when_it_becomes_a_text(scope: Scope, ada: User) -> None:
    changing.set_value(scope, "A", CANARY, secret=True, by=ada)
    changing.set_value(scope, "A", "plain", secret=False, by=ada)
    assert CANARY not in str(list(Event.objects.values()))
    changing.undo(now(scope), by=ada)
    assert (now(scope).is_secret, changing.plain_text(now(scope))) == (True, CANARY)


def test_undo_goes_back_one_change_and_has_the_number_of_that_content(scope: Scope, ada: User) -> None:
    first = changing.set_value(scope, "A", "one", by=ada)
    changing.set_value(scope, "A", "two", by=ada)
    undone = changing.undo(now(scope), by=ada)
    assert first is not None
    assert (undone.text, undone.content, undone.undoes_id) == ("one", first.content, undone.pk - 1)
    assert Event.objects.latest("pk").kind == "configuration.undone"


def test_the_first_value_is_undone_by_removing_it(scope: Scope, ada: User) -> None:
    changing.set_value(scope, "A", "one", by=ada)
    assert changing.undo(now(scope), by=ada).is_removed
    assert changing.undo(now(scope), by=ada).text == "one"


def test_only_the_newest_change_can_be_undone(scope: Scope, ada: User) -> None:
    first = changing.set_value(scope, "A", "one", by=ada)
    changing.set_value(scope, "A", "two", by=ada)
    assert first is not None
    with pytest.raises(NothingToUndo, match="changed again since"):
        changing.undo(first, by=ada)
    assert now(scope).text == "two"


def test_what_is_not_set_cannot_be_removed(scope: Scope, ada: User) -> None:
    with pytest.raises(NoSuchValue):
        changing.remove_value(scope, "A", by=ada)
    changing.set_value(scope, "A", "one", by=ada)
    changing.remove_value(scope, "A", by=ada)
    with pytest.raises(NoSuchValue):
        changing.remove_value(scope, "A", by=ada)


@pytest.mark.parametrize("value", ["a\0b", "a\rb", "a\x1b[0m", "\ud800", "x" * 32769, "a\x7f", "a\x85b"])
def test_what_no_file_can_hold_is_refused_and_not_told_again(value: str, scope: Scope, ada: User) -> None:
    with pytest.raises(ValueRefused) as refused:
        changing.set_value(scope, "A", value, by=ada)
    assert value not in str(refused.value)
    assert not ConfigurationValue.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEPLOYER])
def test_only_maintainers_change_anything(role: str, scope: Scope, ada: User) -> None:
    other = builders.make_user(role=role)
    made = changing.set_value(scope, "A", "one", by=ada)
    assert made is not None
    with pytest.raises(NotAllowed):
        changing.set_value(scope, "A", "two", by=other)
    with pytest.raises(NotAllowed):
        changing.remove_value(scope, "A", by=other)
    with pytest.raises(NotAllowed):
        changing.undo(made, by=other)
    assert now(scope).text == "one"


def test_two_rows_that_both_hold_now_cannot_be(scope: Scope, ada: User) -> None:
    changing.set_value(scope, "A", "one", by=ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfigurationValue.objects.create(name="A", kind="text", by_name="x", **scope.column)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConfigurationValue.objects.create(name="B", kind="text", by_name="x", layer="host", target_id=scope.of.pk)


def test_every_target_that_a_change_reaches_knows_of_it(ada: User) -> None:
    target, other = builders.make_target(hosts=1), builders.make_target(hosts=1)
    machine = target.environment.memberships.get().host
    assert machine.zone is not None
    for of in (target.application, target.environment, target, machine):
        made = changing.set_value(Scope(of), "A", str(of), by=ada)
        assert made is not None
        target.refresh_from_db()
        other.refresh_from_db()
        assert (target.configuration_at, other.configuration_at) == (made.pk, 0)
    made = changing.set_value(Scope(machine.zone), "A", "zone", by=ada)  # hosts of both stand there
    assert made is not None
    assert set(Target.objects.values_list("configuration_at", flat=True)) == {made.pk}
