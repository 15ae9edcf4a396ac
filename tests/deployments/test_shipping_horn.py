"""Which pages sound the horn when production ships, and for whom."""

from typing import Any

import pytest
from django.test import Client

from deployments.models import Standing
from deployments.states import DeployStatus
from environments.models import Role, User
from tests import builders

pytestmark = pytest.mark.django_db


def pages(person: User) -> dict[str, str]:
    client = Client()
    client.force_login(person)
    return {path: client.get(path).content.decode() for path in ("/shop/", "/shop/production/", "/shop/staging/")}


@pytest.mark.parametrize("protected", [True, False])
def test_pages_that_watch_production_say_what_is_live(protected: bool) -> None:
    """Staging is watched as well where it is protected."""
    shop, live = builders.make_application(name="shop"), {}
    for name in ("staging", "production"):
        place = builders.make_environment(name=name, protected=protected and name == "staging")
        target = builders.make_target(application=shop, environment=place)
        live[name] = builders.make_deploy(target=target, status=DeployStatus.SUCCEEDED)
        Standing.objects.update_or_create(target=target, defaults={"live": live[name], "latest": live[name]})
    found = pages(builders.make_user(role=Role.ADMINISTRATOR))
    said = {name: f'data-ships="{deploy.pk}" data-ships-to="shop/{name}"' for name, deploy in live.items()}
    assert said["production"] in found["/shop/"]
    assert said["production"] in found["/shop/production/"]
    assert (said["staging"] in found["/shop/staging/"]) is protected
    assert (said["staging"] in found["/shop/"]) is protected
    assert all("data-shipping-horn" in page for page in found.values())


@pytest.mark.parametrize("muted", [{"horn": False}, {"horn_volume": 0}])
def test_who_muted_it_hears_nothing(muted: dict[str, Any]) -> None:
    shop = builders.make_application(name="shop")
    for name in ("staging", "production"):
        builders.make_target(application=shop, environment=builders.make_environment(name=name))
    found = pages(builders.make_user(role=Role.ADMINISTRATOR, **muted))
    assert not any("data-shipping-horn" in page for page in found.values())
