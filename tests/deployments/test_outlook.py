"""What the New deploy page says beside the commits: other hosts, migrations, how long, and what one chose last."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from deployments.blockers import members
from deployments.models import Deploy
from deployments.page_queries.commits import read_preview
from deployments.page_queries.outlook import Choice, Outlook, read_choice, read_outlook
from deployments.page_queries.target import find_target
from deployments.states import DeployStatus
from environments.models import Phase, Target, User
from tests import builders
from tests.deployments.shop_pages import address, make_shop, sign_in, text_of

pytestmark = pytest.mark.django_db


class Shop:
    """shop/staging, whose repository gets a commit after the other."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.target: Target = make_shop(folder, settings)
        self.repository = folder / "shop"
        self.first = builders._git(self.repository, "rev-parse", "HEAD").strip()

    def commit(self, *paths: str) -> str:
        for path in paths:
            (self.repository / path).parent.mkdir(parents=True, exist_ok=True)
        return builders.commit(self.repository, dict.fromkeys(paths, "text\n"))

    def live(self, revision: str, **fields: Any) -> Deploy:
        return builders.make_deploy(target=self.target, revision=revision, **fields)

    def outlook(self, ref: str = "main") -> Outlook:
        target = Target.objects.get(pk=self.target.pk)
        live = target.standing.live if hasattr(target, "standing") else None
        preview = read_preview(application=target.application, ref=ref, live=live.revision if live else "")
        return read_outlook(target, preview, live, list(members(target)))


@pytest.fixture
def shop(tmp_path: Path, settings: Settings) -> Shop:
    return Shop(tmp_path, settings)


def test_hosts_that_run_something_else_get_more_commits(shop: Shop) -> None:
    second, third = shop.commit("a"), shop.commit("b")
    live = shop.live(second)
    behind, well = (member.host for member in members(shop.target))
    old = builders.make_release(target=shop.target, revision=shop.first, ref="v1.1")
    builders.make_placement(host=well, target=shop.target, current=live.release)
    builders.make_placement(host=behind, target=shop.target, current=old)
    (group,) = shop.outlook().differing
    assert (group.hosts, group.ref, group.revision, group.number) == ([behind.name], "v1.1", shop.first, 2)
    assert third


def test_a_host_that_runs_nothing_and_one_of_an_unknown_commit(shop: Shop) -> None:
    shop.live(shop.first)
    one, _ = (member.host for member in members(shop.target))
    lost = builders.make_release(target=shop.target, revision="f" * 40)
    builders.make_placement(host=one, target=shop.target, current=lost)
    assert sorted((group.revision, group.number) for group in shop.outlook().differing) == [
        ("", None),
        ("f" * 40, None),
    ]


def test_before_the_first_deploy_no_host_differs(shop: Shop) -> None:
    assert shop.outlook().differing == []


def test_migrations_of_the_usual_frameworks_are_found(shop: Shop) -> None:
    shop.live(shop.first)
    yes = ["shop/migrations/0002_price.py", "db/migrate/20260101_add.rb", "migrations/V1__a.sql"]
    shop.commit(*yes, "shop/migrations/__init__.py", "docs/migrations.md", "src/migrate.py", "immigrations/a.py")
    builders.make_step(target=shop.target, name="migrate", phase=Phase.ONCE)
    seen = shop.outlook()
    assert sorted(path for _, path in seen.migrations) == sorted(yes)
    assert {letter for letter, _ in seen.migrations} == {"A"}
    assert seen.once == ["migrate"]


def test_how_long_it_takes_is_told_from_those_that_succeeded(shop: Shop) -> None:
    now = timezone.now()
    for seconds in (*range(10, 30), 500):
        shop.live(shop.first, started_at=now - timedelta(seconds=seconds), finished_at=now)
    shop.live(shop.first, status=DeployStatus.FAILED, started_at=now - timedelta(hours=2), finished_at=now)
    expected = shop.outlook().expected
    assert expected
    assert timedelta(seconds=15) < expected.half < timedelta(seconds=25)
    assert timedelta(seconds=25) < expected.most < timedelta(seconds=100)


class TestLastChoice:
    @pytest.fixture
    def ada(self) -> User:
        return builders.make_user(username="ada")

    def test_nothing_was_chosen_yet(self, shop: Shop, ada: User) -> None:
        shop.live(shop.first, by=builders.make_user())
        assert read_choice(ada, shop.target) == Choice()

    def test_a_branch_that_is_still_there_and_held_but_never_only_some_hosts(self, shop: Shop, ada: User) -> None:
        shop.outlook()  # fetches
        release = builders.make_release(target=shop.target, ref="feature/basket")
        last = shop.live(shop.first, by=ada, release=release, held=True, plan={"only": True})
        host = members(shop.target)[0].host
        builders.make_run(deploy=last, host=host)
        shop.live(shop.first, by=builders.make_user())
        assert read_choice(ada, shop.target) == Choice("feature/basket", True)
        page = sign_in(ada).get(address("new-deploy")).content.decode()
        assert 'value="feature/basket"' in page
        plan = sign_in(ada).get(address("new-deploy-plan"), {"ref": "main"}).content.decode()
        assert 'value="held" checked' in plan
        assert f'value="{host.name}">' in plan
        assert 'value="all" checked' in plan

    @pytest.mark.parametrize("ref", ["gone", "a" * 40, "abcdef1"])
    def test_a_commit_and_a_branch_that_is_gone_are_not_chosen_again(self, ref: str, shop: Shop, ada: User) -> None:
        shop.outlook()
        shop.live(shop.first, by=ada, release=builders.make_release(target=shop.target, ref=ref))
        assert read_choice(ada, shop.target).ref == ""

    def test_a_tag_is_chosen_again_until_it_is_live(self, shop: Shop, ada: User) -> None:
        builders._git(shop.repository, "tag", "v1")
        second = shop.commit("README")
        shop.outlook()
        shop.live(shop.first, by=ada, release=builders.make_release(target=shop.target, ref="v1"))
        shop.live(second)
        assert read_choice(ada, find_target(application="shop", environment="staging")).ref == "v1"
        shop.live(shop.first)
        assert read_choice(ada, find_target(application="shop", environment="staging")).ref == ""
        page = sign_in(ada).get(address("new-deploy")).content.decode()
        assert 'value="main"' in page


def test_the_plan_says_all_of_it_with_few_queries_whatever_the_history(shop: Shop) -> None:
    shop.live(shop.first)
    shop.commit("db/migrate/1_a.rb")
    builders.make_step(target=shop.target, name="migrate", phase=Phase.ONCE)
    client = sign_in(builders.make_user())

    def ask() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as caught:
            text = text_of(client.get(address("new-deploy-plan"), {"ref": "main"}).content)
        return len(caught), text

    few, text = ask()
    for words in ("1 migration in this range", "by migrate: once", "2 hosts run nothing yet", "Work of Tests"):
        assert words in text
    for _ in range(30):
        builders.make_run(deploy=shop.live(shop.first))
    many, _ = ask()
    assert many <= few <= 15
