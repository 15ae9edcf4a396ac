"""Events: declared kinds, plain facts, undone with what they tell of."""

import pytest
from django.db import transaction

from notifications import events
from notifications.events import KINDS, UndeclaredKind
from notifications.models import Event

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def test_it_is_written_with_its_facts() -> None:
    event = events.record(
        "deploy.requested", "ada", application="shop", environment="staging", deploy=7, ref="main", hosts=["a", "b"]
    )
    row = Event.objects.get(pk=event.pk)
    assert (row.kind, row.actor, row.application, row.environment, row.deploy) == (
        "deploy.requested",
        "ada",
        "shop",
        "staging",
        7,
    )
    assert row.facts == {"ref": "main", "hosts": ["a", "b"]}
    assert str(row) == f"deploy.requested #{row.pk}"


def test_an_undeclared_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(UndeclaredKind, match=r"'deploy\.exploded' is no declared kind"):
        events.record("deploy.exploded")
    assert not Event.objects.exists()


def test_it_is_undone_with_its_transaction() -> None:
    with transaction.atomic():
        events.record("signed_in", "ada")
        transaction.set_rollback(True)
    assert not Event.objects.filter(kind="signed_in").exists()


def test_every_kind_fits_its_column() -> None:
    most = Event._meta.get_field("kind").max_length
    assert most is not None
    assert all(0 < len(kind) <= most for kind in KINDS)


def test_the_newest_comes_first() -> None:
    for kind in ("signed_in", "signed_out"):
        events.record(kind, "ada")
    assert [event.kind for event in Event.objects.all()] == ["signed_out", "signed_in"]
