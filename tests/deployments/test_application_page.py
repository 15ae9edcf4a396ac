"""The page of an application: its environments in order, and how far each commit has come."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from deployments import distances
from deployments.application_page import web_of
from deployments.page_queries.application import read_application, read_travelled
from deployments.page_queries.matrix import Gap
from deployments.page_queries.stages import read_stages
from deployments.states import DeployStatus
from environments import repositories
from environments.models import Application, Role, Target
from tests import builders
from tests.deployments.shop_pages import sign_in, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def commits(tmp_path: Path, settings: Settings) -> list[str]:
    """Five commits on main, oldest first."""
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    first = builders.make_repository(tmp_path / "shop")
    return [first, *(builders.commit(tmp_path / "shop", {f"{n}.txt": "x"}) for n in range(4))]


@pytest.fixture
def shop(commits: list[str], tmp_path: Path) -> Application:
    """Dev runs the last but one, staging the third, production the second."""
    found = builders.make_application(name="shop", repository=f"file://{tmp_path / 'shop'}")
    repositories.fetch(found)
    for position, (name, revision) in enumerate(
        (("dev", commits[3]), ("staging", commits[2]), ("production", commits[1]))
    ):
        environment = builders.make_environment(name=name, position=position)
        builders.make_deploy(target=builders.make_target(application=found, environment=environment), revision=revision)
    return found


def test_each_environment_says_how_far_it_is_behind_and_what_it_could_get(
    shop: Application, commits: list[str]
) -> None:
    distances.Distances().look()
    page = read_application(shop)
    assert [stage.gap for stage in page.stages] == [None, Gap(behind=1), Gap(behind=1)]
    assert [stage.brings.revision if stage.brings else "" for stage in page.stages] == ["", commits[3], commits[2]]
    assert page.headline == "staging is one commit behind dev, production is one commit behind staging."


def test_the_promotion_deploys_exactly_what_the_environment_before_runs(shop: Application, commits: list[str]) -> None:
    html = sign_in(builders.make_user(username="ada")).get("/shop/").content.decode()
    assert f'href="/shop/production/deploy?ref={commits[2]}"' in html
    assert f'href="/shop/staging/deploy?ref={commits[3]}"' in html


def test_a_viewer_gets_no_promotion(shop: Application) -> None:
    html = sign_in(builders.make_user(username="vera", role=Role.VIEWER)).get("/shop/").content.decode()
    assert "/production/deploy" not in html


def test_a_commit_shows_where_it_has_come(shop: Application, commits: list[str]) -> None:
    stages = read_stages(shop)
    travelled, more = read_travelled(stages, shop, goal=stages[-1])
    assert [(it.change.revision, it.words) for it in travelled] == [
        (commits[4], "nowhere yet"),
        (commits[3], "on dev"),
        (commits[2], "on dev and staging"),
    ]
    assert not more
    of_dev, _ = read_travelled(stages, shop, goal=stages[0])
    assert [it.change.revision for it in of_dev] == [commits[4]]


def test_commits_come_after_the_page(shop: Application, commits: list[str]) -> None:
    client = sign_in(builders.make_user(username="ada"))
    assert commits[4][:7] not in client.get("/shop/").content.decode()
    assert "on dev and staging" in client.get("/shop/commits").content.decode()


def test_without_a_mirror_it_says_so(tmp_path: Path, settings: Settings) -> None:
    settings.VAR = tmp_path / "none"
    target = builders.make_target(application=builders.make_application(name="till"))
    builders.make_deploy(target=target)
    answer = sign_in(builders.make_user(username="ada")).get("/till/commits")
    assert "does not have these commits yet" in text_of(answer.content)


def test_an_application_that_is_deployed_nowhere_says_what_to_do() -> None:
    builders.make_application(name="till")
    assert "Deployed nowhere yet" in text_of(sign_in(builders.make_user(username="ada")).get("/till/").content)


def test_the_queries_do_not_grow_with_the_history(shop: Application) -> None:
    client = sign_in(builders.make_user(username="ada"))

    def price() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get("/shop/").status_code == 200
        return len(caught)

    few = price()
    for target in Target.objects.all():
        for n in range(20):
            builders.make_deploy(target=target, status=DeployStatus.PARTIAL if n % 3 else DeployStatus.SUCCEEDED)
    assert price() == few <= 10  # one of them is the clock of PostgreSQL, two ask what was granted


def test_the_recent_deploys_are_those_of_all_its_environments(shop: Application) -> None:
    target = Target.objects.get(environment__name="production")
    newest = [builders.make_deploy(target=target).pk for _ in range(12)]
    assert [deploy.pk for deploy, _, _ in read_application(shop).recent] == newest[::-1]


@pytest.mark.parametrize(
    ("repository", "web"),
    [
        ("https://git.example.com/shop.git", "https://git.example.com/shop"),
        ("git@git.example.com:team/shop.git", "https://git.example.com/team/shop"),
        ("ssh://git@git.example.com/shop", ""),
        ("file:///srv/shop", ""),
    ],
)
def test_a_repository_has_an_address_for_browsers_or_none(repository: str, web: str) -> None:
    assert web_of(Application(repository=repository)) == web


def test_who_maintains_it_is_led_to_where_it_is_read_from() -> None:
    builders.make_application(name="shop")
    address, link = reverse("application", args=["shop"]), reverse("connect-application", args=["shop"])
    assert link in sign_in(builders.make_user(role=Role.MAINTAINER)).get(address).content.decode()
    assert link not in sign_in(builders.make_user(role=Role.DEPLOYER)).get(address).content.decode()
