"""Finding things by some words: for the palette and the search page, by few queries, and only what one may do."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deployments.models import Star
from deployments.page_queries.choices import Choice
from deployments.page_queries.search import PAGES, search
from environments import granting
from environments.models import Role, Target, User
from environments.rights import read_once
from tests import builders
from tests.deployments.shop_pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada")


@pytest.fixture(autouse=True)
def fleet() -> dict[str, Target]:
    """Three applications in staging and production, each with a host."""
    places = [builders.make_environment(name=name, position=n) for n, name in enumerate(("staging", "production"))]
    found = {}
    for name in ("storefront", "pricing-api", "back-office"):
        application = builders.make_application(name=name)
        for place in places:
            found[f"{name}/{place.name}"] = builders.make_target(application=application, environment=place)
    for name in ("eu-west-a-01", "eu-west-a-02", "us-east-b-01"):
        builders.make_host(name=name)
    return found


def words(user: User, text: str) -> dict[str, list[str]]:
    return {group.title: [choice.words for choice in group.choices] for group in search(user, text)}


def first(user: User, text: str) -> Choice:
    return search(user, text)[0].choices[0]


def test_every_word_must_be_found_in_the_application_or_the_environment(ada: User) -> None:
    assert words(ada, "store prod")["Targets"] == ["storefront / production"]
    assert words(ada, "PRODUCTION")["Targets"] == [
        "back-office / production",
        "pricing-api / production",
        "storefront / production",
    ]


def test_names_that_begin_so_come_first(ada: User) -> None:
    builders.make_target(application=builders.make_application(name="a-storefront"))
    assert words(ada, "store")["Targets"][0] == "storefront / staging"
    assert "a-storefront" in words(ada, "store")["Targets"][2]


def test_a_deed_and_its_place(ada: User) -> None:
    assert first(ada, "deploy storefront to staging") == Choice(
        "Deploy storefront to staging", "/storefront/staging/deploy", icon="rocket"
    )
    assert first(ada, "dep pric prod").words == "Deploy pricing-api to production"


def test_roll_back_where_there_is_something_before(ada: User, fleet: dict[str, Target]) -> None:
    assert "Do" not in words(ada, "roll back storefront")
    for _ in range(2):
        builders.make_deploy(target=fleet["storefront/production"])
    assert first(ada, "roll back storefront").words == "Roll back storefront / production"
    assert words(ada, "back")["Applications"] == ["back-office"]


def test_lock_unlock_and_reserve(ada: User, fleet: dict[str, Target]) -> None:
    found = search(ada, "lock store stag")[0]
    assert (found.title, found.choices) == (
        "Do", [Choice("Lock storefront/staging", "/storefront/staging/#why-storefrontstaging", icon="lock")]
    )  # fmt: skip
    assert words(ada, "lock staging")["Do"][0] == "Lock staging"
    assert "Do" not in words(ada, "unlock store stag")
    builders.make_lock(target=fleet["storefront/staging"], by=ada)
    ben = builders.make_user(username="ben", first_name="Ben", last_name="Sato")
    builders.make_lock(target=fleet["storefront/production"], by=ben)
    assert words(ada, "unlock store")["Do"] == ["Unlock storefront/staging", "Ask for storefront/production"]
    assert words(ada, "lock store")["Do"] == ["Unlock storefront/staging", "Wait in line for storefront/production"]
    assert search(ada, "lock store prod")[0].choices[0].note == "Ben Sato holds it"
    calendar = "/environments/production/calendar?scope=storefront/production"
    assert first(ada, "reserve store prod").url == f"{calendar}#book-scope"
    client = sign_in(ada)
    for text in ("unlock store", "lock store", "lock pricing-api", "reserve store"):
        for choice in search(ada, text)[0].choices:
            path, _, place = choice.url.partition("#")
            assert f'id="{place}"' in client.get(path).content.decode(), choice
    assert '<option value="storefront/production" selected>' in client.get(calendar).content.decode()
    vera = builders.make_user(username="vera", role=Role.VIEWER)
    assert "Do" not in words(vera, "lock store")
    granting.give(vera, Role.DEPLOYER, application=fleet["pricing-api/staging"].application, by=None)
    assert words(vera, "lock staging")["Do"] == ["Lock pricing-api/staging"]


def test_a_viewer_finds_places_and_no_deeds() -> None:
    vera = builders.make_user(username="vera", role=Role.VIEWER)
    assert "Do" not in words(vera, "store")
    assert words(vera, "store")["Targets"] == ["storefront / staging", "storefront / production"]
    assert "People" not in words(vera, "people").get("Pages", [])


def test_pages_of_settings_are_for_who_may_open_them(ada: User) -> None:
    alma = builders.make_user(username="alma", role=Role.ADMINISTRATOR)
    assert "People" not in words(ada, "people").get("Pages", [])
    assert words(alma, "people")["Pages"] == ["People"]


def test_every_page_that_it_offers_is_there() -> None:
    alma = builders.make_user(username="alma", role=Role.ADMINISTRATOR)
    client = sign_in(alma)
    for name, *_ in PAGES:
        assert client.get(reverse(name)).status_code == 200, name


def test_deploys_by_number(ada: User, fleet: dict[str, Target]) -> None:
    for name in ("storefront/staging", "pricing-api/staging"):
        for _ in range(3):
            builders.make_deploy(target=fleet[name])
    assert words(ada, "#2")["Deploys"] == ["pricing-api / staging #2", "storefront / staging #2"]
    assert words(ada, "store 3")["Deploys"] == ["storefront / staging #3"]
    assert "Deploys" not in words(ada, "#4")


def test_a_commit_by_its_first_digits(ada: User, fleet: dict[str, Target]) -> None:
    builders.make_deploy(target=fleet["storefront/staging"], revision="abc1234" + "0" * 33)
    assert words(ada, "abc1234")["Runs this commit"] == ["storefront / staging"]


def test_hosts_environments_applications(ada: User) -> None:
    assert words(ada, "eu-west")["Hosts"] == ["eu-west-a-01", "eu-west-a-02"]
    assert words(ada, "prod")["Environments"] == ["production"]
    assert words(ada, "pric")["Applications"] == ["pricing-api"]


def test_without_a_word_it_offers_ones_own_targets_and_the_pages(ada: User, fleet: dict[str, Target]) -> None:
    builders.make_deploy(target=fleet["pricing-api/staging"], by=ada)
    Star.objects.create(person=ada, target=fleet["back-office/production"])
    found = words(ada, "")
    assert found["Targets"] == ["back-office / production", "pricing-api / staging"]
    assert found["Pages"][:2] == ["Home", "Waiting"]
    assert "Hosts" not in found


@pytest.mark.parametrize(
    "text", ["", "a", "deploy a prod 2", "lock a prod", "reserve o", "abcdef0", "%", "'; --", "_ _ _ _ _ _ _ _ _"]
)
def test_it_costs_few_queries_whatever_was_typed(text: str, ada: User) -> None:
    with read_once(), CaptureQueriesContext(connection) as caught:
        search(ada, text)
    assert len(caught) <= 10


def test_what_is_not_found_is_told_with_what_to_try(ada: User) -> None:
    client = sign_in(ada)
    for path in ("/palette", "/search"):
        said = text_of(client.get(path, {"q": "<b>zzz"}).content)
        assert "Nothing here is called" in said
        assert "<b>zzz" not in client.get(path, {"q": "<b>zzz"}).content.decode()


def test_the_search_page_shows_the_same(ada: User) -> None:
    html = sign_in(ada).get("/search", {"q": "storefront"}).content.decode()
    assert 'href="/storefront/production/"' in html


def test_an_endpoint_is_found_by_its_name_until_it_is_gone(ada: User, fleet: dict[str, Target]) -> None:
    endpoint = builders.make_endpoint(parent=fleet["storefront/staging"], name="dark-mode")
    (choice,) = search(ada, "dark-mode")[0].choices[:1]
    assert (choice.words, choice.url) == ("storefront / staging/dark-mode", "/storefront/staging/dark-mode/")
    assert f"{choice.words}" not in words(ada, "pricing").get("Targets", [])
    type(endpoint).objects.update(gone_at=endpoint.until)
    assert "storefront / staging/dark-mode" not in str(words(ada, "dark-mode"))
