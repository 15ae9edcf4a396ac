"""How each person hears the end of a deploy."""

import pytest
from django.test import Client

from environments.models import User
from tests.builders import make_user

pytestmark = pytest.mark.django_db


def test_it_is_kept_with_the_person() -> None:
    ada, bob, client = make_user(role="viewer"), make_user(), Client()
    client.force_login(ada)
    assert client.post("/settings/horn", {"on": "no", "volume": "35"}).status_code == 204
    assert list(User.objects.filter(pk=ada.pk).values_list("horn", "horn_volume")) == [(False, 35)]
    assert list(User.objects.filter(pk=bob.pk).values_list("horn", "horn_volume")) == [(True, 60)]


@pytest.mark.parametrize("volume", ["101", "-1", "loud", ""])
def test_a_wrong_volume_is_refused(volume: str) -> None:
    ada, client = make_user(), Client()
    client.force_login(ada)
    assert client.post("/settings/horn", {"on": "no", "volume": volume}).status_code == 400
    assert User.objects.get(pk=ada.pk).horn


def test_a_stranger_has_none() -> None:
    assert Client().post("/settings/horn", {"on": "no", "volume": "1"}).status_code == 403
