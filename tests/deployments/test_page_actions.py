"""The buttons of the pages: each a thin door onto a verb."""

import re
from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django import Settings

from deployments.models import Deploy, HeldRelease, Kind
from deployments.states import DeployStatus, RunStatus
from environments.models import Target, User
from tests import builders
from tests.deployments.shop_pages import address, make_shop, sign_in, text_of

S, R = DeployStatus, RunStatus
pytestmark = pytest.mark.django_db


@pytest.fixture
def deployer() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Nwosu")


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    return make_shop(tmp_path, settings)


class TestStart:
    def test_it_deploys_what_the_page_showed(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        html = client.get(address("new-deploy-plan"), {"ref": "main"}).content.decode()
        shown = re.search(r'name="revision" value="([0-9a-f]{40})"', html)
        assert shown
        response = client.post(address("start-deploy"), {"ref": "main", "revision": shown[1]})
        deploy = Deploy.objects.get()
        assert response.headers["Location"] == f"/deploys/{deploy.pk}"
        assert (deploy.revision, deploy.ref, deploy.by, deploy.trigger) == (shown[1], "main", deployer, "page")

    def test_a_branch_that_moved_is_asked_about_again(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        response = client.post(address("start-deploy"), {"ref": "main", "revision": "f" * 40}, follow=True)
        assert "moved from fffffff to" in text_of(response.content)
        assert not Deploy.objects.exists()

    def test_a_blocked_target_refuses_or_lets_one_wait(self, target: Target, deployer: User) -> None:
        builders.make_deploy(target=target, status=S.RUNNING)
        client = sign_in(deployer)
        refused = client.post(address("start-deploy"), {"ref": "main"}, follow=True)
        assert "cannot be deployed now: #1 is running." in text_of(refused.content)
        assert Deploy.objects.count() == 1
        client.post(address("start-deploy"), {"ref": "main", "wait": "yes"})
        assert Deploy.objects.get(number=2).status == S.WAITING


class TestButtons:
    def test_cancel_asks_for_it(self, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.RUNNING)
        response = sign_in(deployer).post(reverse("cancel", args=[deploy.pk]))
        assert response.headers["Location"] == f"/deploys/{deploy.pk}"
        deploy.refresh_from_db()
        assert deploy.status == S.CANCELLING

    def test_a_refusal_is_told_where_one_came_from(self, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target)
        response = sign_in(deployer).post(reverse("cancel", args=[deploy.pk]), follow=True)
        assert "is over already; there is nothing to cancel" in text_of(response.content)

    def test_retry_makes_a_deploy_of_the_hosts_that_failed(self, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.PARTIAL)
        good, bad = (membership.host for membership in target.environment.memberships.order_by("id"))
        builders.make_run(deploy=deploy, host=good)
        builders.make_run(deploy=deploy, host=bad, status=R.FAILED)
        html = sign_in(deployer).get(f"/deploys/{deploy.pk}").content.decode()
        assert "Retry failed hosts (1)" in html
        sign_in(deployer).post(reverse("retry", args=[deploy.pk]))
        retry = Deploy.objects.get(kind=Kind.RETRY)
        assert [run.host for run in retry.runs.all()] == [bad]

    def test_roll_back_makes_an_earlier_release_live(self, target: Target, deployer: User) -> None:
        first, second = (builders.make_deploy(target=target) for _ in range(2))
        for membership in target.environment.memberships.all():
            placement = builders.make_placement(host=membership.host, target=target, current=second.release)
            assert first.release
            HeldRelease.objects.create(placement=placement, release=first.release)
        client = sign_in(deployer)
        assert reverse("rollback", args=[first.pk]) in client.get("/shop/staging/").content.decode()
        response = client.post(reverse("rollback", args=[first.pk]))
        rollback = Deploy.objects.get(kind=Kind.ROLLBACK)
        assert (rollback.of, rollback.release) == (first, first.release)
        assert response.headers["Location"] == f"/deploys/{rollback.pk}"

    def test_redeploy_lays_the_same_revision_out_again(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        client.post(address("start-deploy"), {"ref": "main"})
        Deploy.objects.update(status=S.SUCCEEDED)
        first = Deploy.objects.get()
        client.post(reverse("redeploy", args=[first.pk]))
        second = Deploy.objects.get(number=2)
        assert (second.kind, second.revision) == (Kind.DEPLOY, first.revision)
        assert second.release != first.release
