"""Locks tell nobody of what they may not view: by page and API, what is hidden is as what is not there."""

from datetime import timedelta
from typing import NamedTuple

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import Deploy
from deployments.states import DeployStatus
from environments import granting, locks
from environments.models import Lock, Role, Target, User
from tests import builders
from tests.deployments.api_client import api_of
from tests.deployments.shop_pages import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


class Scene(NamedTuple):
    """`guest` may deploy `shop` everywhere, and sees nothing of the application `hidden`."""

    guest: User
    shop: Target
    hidden: Target
    everything: Lock


@pytest.fixture
def scene() -> Scene:
    staging = builders.make_environment(name="staging")
    shop = builders.make_target(application=builders.make_application(name="shop"), environment=staging)
    secret = builders.make_application(name="hidden")
    hidden = builders.make_target(application=secret, environment=builders.make_environment(name="hidden-lab"))
    guest = builders.make_user(username="guest", role=Role.GUEST)
    granting.give(guest, Role.DEPLOYER, application=shop.application, by=None)
    ada = builders.make_user(username="ada", role=Role.ADMINISTRATOR)
    until = timezone.now() + timedelta(hours=1)
    everything = locks.acquire(locks.ALL, by=ada, reason="a move", until=until)
    for target, ref in ((shop, "of-the-shop"), (hidden, "of-the-hidden")):
        builders.make_deploy(target=target, status=DeployStatus.WAITING, ref=ref, automatic=True, met_lock=everything)
    return Scene(guest, shop, hidden, everything)


@pytest.mark.parametrize("scope", ["hidden/hidden-lab", "hidden-lab"])
def test_what_is_hidden_cannot_be_told_from_what_is_not_there(scope: str, scene: Scene) -> None:
    absent = scope.replace("hidden", "nothing")
    said = []
    for text in (scope, absent):
        form = sign_in(scene.guest).post(reverse("take-lock"), {"scope": text, "reason": "x", "for": "1h"})
        asked = api_of(user=scene.guest).post("locks", {"scope": text, "reason": "x", "until": None})
        body = asked.content.decode().replace(text, "IT")
        said.append((form.status_code, asked.status_code, body))
    assert said[0] == said[1]
    assert said[0][:2] == (404, 400)  # as for a word that is no scope at all


def test_deploys_that_are_held_are_told_to_who_may_view_them(scene: Scene) -> None:
    def told() -> tuple[str, str]:
        page = sign_in(scene.guest).get("/locks").content.decode()
        found = api_of(user=scene.guest).get(f"locks/{scene.everything.pk}").content.decode()
        return page, found

    page, found = told()
    assert "of-the-shop" in page
    assert "of-the-shop" in found
    assert "of-the-hidden" not in page + found
    Lock.objects.filter(pk=scene.everything.pk).update(until=timezone.now() - timedelta(minutes=1))
    page, _ = told()
    assert "of-the-shop" in page
    assert "of-the-hidden" not in page


@pytest.mark.parametrize("place", ["", "shop", "../..", "shop/staging/x/y", "Shop/%2e"])
def test_a_page_to_come_back_to_that_is_none_changes_nothing(place: str, scene: Scene) -> None:
    ada = User.objects.get(username="ada")
    words = {"back": "target", "target": place, "held": "drop"}
    answered = sign_in(ada).post(reverse("release-lock", args=[scene.everything.pk]), words)
    assert answered.status_code == 400
    assert locks.held().filter(pk=scene.everything.pk).exists()
    assert Deploy.objects.filter(status=DeployStatus.WAITING).count() == 2


def test_what_was_asked_is_told_to_the_holder_and_to_who_asked(scene: Scene) -> None:
    holder, ben, vera = (builders.make_user(username=name) for name in ("hal", "ben", "vera"))
    lock = builders.make_lock(target=scene.shop, by=holder)
    locks.ask(lock, by=ben, text="for the demo at noon")

    def told(who: User) -> tuple[bool, bool]:
        page, body = sign_in(who).get("/locks").content, api_of(user=who).get(f"locks/{lock.pk}").content
        return b"for the demo at noon" in page, b"for the demo at noon" in body

    assert told(holder) == (True, True)
    assert told(ben)[1]
    assert told(vera) == (False, False)
