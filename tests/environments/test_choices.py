"""Lists to choose from: short ones are sent whole, of long ones what matches, and nobody is told what is not theirs."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from environments import choices, granting, teams
from environments.choices import MOST, offer
from environments.models import Grant, Role, User
from tests.builders import make_application, make_environment, make_target, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user(username="ada", role=Role.ADMINISTRATOR, first_name="Ada", last_name="Marsh")


def found(person: User, kind: str, q: str = "") -> list[Any]:
    client = Client()
    client.force_login(person)
    answer = client.get(reverse("choices", args=[kind]), {"q": q})
    assert answer.status_code == 200
    return [value for value, _ in answer.json()["found"]]


def test_beyond_a_list_all_names_are_found_by_a_part_of_them(ada: User) -> None:
    for n in range(MOST + 20):
        make_application(name=f"service-{n:03}")
    make_user(username="zoe", first_name="Zoë", last_name="Àbel")
    offered = offer("applications", ada)
    assert (len(offered.pairs), offered.whole) == (MOST, False)
    assert found(ada, "applications", "CE-119") == ["service-119"]
    assert found(ada, "people", "mar ad") == ["ada"]
    assert found(ada, "people", "nobody") == []
    assert [words for _, words in offer("people", ada, "zoe").pairs] == ["Zoë Àbel"]


def test_holders_are_teams_and_people_by_either_way_to_write_them(ada: User) -> None:
    teams.make("adapters", by=None)
    assert found(ada, "holders", "ada") == ["team:adapters", "person:ada"]
    assert found(ada, "holders", "team:ada") == ["team:adapters"]
    assert found(ada, "holders", "person:ada") == ["person:ada"]


def test_targets_are_found_by_words_of_their_place(ada: User) -> None:
    places = [make_environment(name=name, position=n) for n, name in enumerate(("staging", "production"))]
    for name in ("shop", "blog"):
        application = make_application(name=name)
        for place in places:
            make_target(application=application, environment=place)
    assert found(ada, "targets", "shop/prod") == ["shop/production"]
    assert found(ada, "targets", "stag") == ["blog/staging", "shop/staging"]


def test_only_what_one_may_see_is_offered(ada: User) -> None:
    shop, blog = make_application(name="shop"), make_application(name="blog")
    staging = make_environment(name="staging")
    for application in (shop, blog):
        make_target(application=application, environment=staging)
    teams.make("payments", by=None)
    guest, viewer = make_user(username="guest", role=Role.GUEST), make_user(username="vera", role=Role.VIEWER)
    assert [found(guest, kind) for kind in ("people", "actors", "teams", "holders", "applications", "targets")] == [
        []
    ] * 6
    assert [found(viewer, kind) for kind in ("teams", "targets")] == [[], []]
    granting.give(guest, Role.ADMINISTRATOR, application=shop, by=None)
    assert found(guest, "applications") == ["shop"]
    assert found(guest, "targets") == ["shop/staging"]
    assert found(guest, "actors") == []
    assert "payments" in found(guest, "teams")


def test_who_may_come_in_no_more_is_offered_as_somebody_who_did_something_alone(ada: User) -> None:
    make_user(username="gone", is_active=False)
    make_user(username="hook-ci", hook=True)
    assert found(ada, "owners") == ["ada"]
    assert "hook-ci" in found(ada, "actors")
    assert found(ada, "people", "gone") == []
    assert found(ada, "actors", "gone") == ["gone"]
    assert found(ada, "actors", "itself") == ["deployer"]


def test_a_kind_that_there_is_not_is_404(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert client.get(reverse("choices", args=["secrets"])).status_code == 404


def test_a_long_list_is_a_field_in_which_a_user_name_will_do(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "MOST", 1)
    make_user(username="grace", first_name="Grace", last_name="Hopper")
    client = Client()
    client.force_login(ada)
    page = client.get(reverse("settings-permissions")).content.decode()
    assert f'name="holder" value="" list="holder-offered" data-choices="{reverse("choices", args=["holders"])}"' in page
    everywhere = {"role": "deployer", "application": "", "environment": ""}
    told = client.post(reverse("give-grant"), {"holder": "nobody", **everywhere}, follow=True).content.decode()
    assert "Nobody who may come in is called" in told
    assert not Grant.objects.exists()
    client.post(reverse("give-grant"), {"holder": "grace", **everywhere})
    assert Grant.objects.get().person == User.objects.get(username="grace")
