"""What tests of pages share: a shop with a real repository, and ways to read an answer."""

import re
from pathlib import Path

from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from environments.models import Target, User
from tests import builders


def make_shop(folder: Path, settings: Settings) -> Target:
    """shop/staging with two hosts and a real repository."""
    settings.REPOSITORY_ROOTS = [folder]
    settings.VAR = folder / "var"
    builders.make_repository(folder / "shop", branches=("feature/basket",))
    shop = builders.make_application(name="shop", repository=folder / "shop")
    return builders.make_target(application=shop, environment=builders.make_environment(name="staging"), hosts=2)


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(page: bytes) -> str:
    """What one reads on a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()))


def address(name: str) -> str:
    return reverse(name, args=["shop", "staging"])
