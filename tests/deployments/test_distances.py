"""How far targets are behind the environment before them: counted once, in the mirror, when something goes live."""

from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import distances, lifecycle
from deployments.models import Deploy, Standing
from deployments.states import DeployStatus, RunStatus
from environments import repositories
from environments.models import Application, Target
from tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def shop(tmp_path: Path, settings: Settings) -> Application:
    settings.REPOSITORY_ROOTS = [tmp_path]
    settings.VAR = tmp_path / "var"
    builders.make_repository(tmp_path / "shop")
    return builders.make_application(name="shop", repository=f"file://{tmp_path / 'shop'}")


@pytest.fixture
def commits(shop: Application, tmp_path: Path) -> list[str]:
    """Three commits, oldest first, in the mirror."""
    made = [builders.commit(tmp_path / "shop", {f"{n}.txt": "x"}) for n in range(3)]
    repositories.fetch(shop)
    return made


def targets(shop: Application) -> list[Target]:
    names = ("dev", "staging", "production")
    return [
        builders.make_target(application=shop, environment=builders.make_environment(name=name, position=n))
        for n, name in enumerate(names)
    ]


def numbers() -> list[tuple[int | None, int | None]]:
    rows = Standing.objects.order_by("target__environment__position")
    return list(rows.values_list("behind", "ahead"))


def test_each_target_is_compared_with_the_environment_before_it(shop: Application, commits: list[str]) -> None:
    for target, revision in zip(targets(shop), (commits[2], commits[0], commits[1]), strict=True):
        builders.make_deploy(target=target, revision=revision)
    distances.Distances().look()
    assert numbers() == [(None, None), (2, 0), (0, 1)]


def test_an_environment_without_the_application_is_passed_over(shop: Application, commits: list[str]) -> None:
    dev, _, production = targets(shop)
    builders.make_deploy(target=dev, revision=commits[2])
    builders.make_deploy(target=production, revision=commits[0])
    distances.Distances().look()
    assert numbers() == [(None, None), (2, 0)]


def test_what_was_counted_is_not_counted_again(
    shop: Application, commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in targets(shop):
        builders.make_deploy(target=target, revision=commits[1])
    look = distances.Distances().look
    look()
    monkeypatch.setattr(repositories, "count_between", None)
    look()
    assert not distances.read_pairs()
    assert numbers() == [(None, None), (0, 0), (0, 0)]


def test_a_deploy_that_goes_live_asks_for_new_numbers(shop: Application, commits: list[str]) -> None:
    dev, staging, _ = targets(shop)
    builders.make_deploy(target=dev, revision=commits[0])
    builders.make_deploy(target=staging, revision=commits[0])
    look = distances.Distances().look
    look()
    assert numbers() == [(None, None), (0, 0)]
    running = builders.make_deploy(target=dev, revision=commits[2], status=DeployStatus.RUNNING)
    builders.make_run(deploy=running, status=RunStatus.LIVE)
    assert lifecycle.end(Deploy.objects.get(pk=running.pk), DeployStatus.SUCCEEDED, "All hosts are live.")
    look()
    assert numbers() == [(None, None), (2, 0)]


def test_a_commit_that_is_gone_is_asked_for_once_a_minute(
    shop: Application, commits: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="deployments.distances")
    dev, staging, _ = targets(shop)
    builders.make_deploy(target=dev, revision="f" * 40)
    builders.make_deploy(target=staging, revision=commits[0])
    look = distances.Distances().look
    look()
    look()
    assert caplog.text.count("How far shop is behind is not known") == 1
    assert numbers() == [(None, None), (None, None)]
