"""The buttons of the pages: each a thin door onto a verb."""

import re
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from deployments.models import Deploy, HeldRelease, Kind, Program, Standing
from deployments.runs import release_of
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

    def test_it_goes_to_the_hosts_that_were_chosen(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        names = list(target.environment.memberships.order_by("host__name").values_list("host__name", flat=True))
        html = client.get(address("new-deploy-plan"), {"ref": "main", "to": "one"}).content.decode()
        assert re.findall(r'name="host" value="([^"]+)" checked', html) == names[:1]
        client.post(address("start-deploy"), {"ref": "main", "to": "some", "host": names[:1]})
        assert [run.host_name for run in Deploy.objects.get().runs.all()] == names[:1]

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

    def test_a_preview_says_what_a_rollback_would_do(self, target: Target, deployer: User) -> None:
        first, second = (builders.make_deploy(target=target) for _ in range(2))
        one, other = target.environment.memberships.order_by("host__name")
        assert first.release
        for membership in (one, other):
            placement = builders.make_placement(host=membership.host, target=target, current=second.release)
            if membership == one:
                HeldRelease.objects.create(placement=placement, release=first.release)
        client = sign_in(deployer)
        assert reverse("rollback-preview", args=[first.pk]) in client.get("/shop/staging/").content.decode()
        page = text_of(client.get(reverse("rollback-preview", args=[first.pk])).content)
        assert f"whole: {one.host.name}" in page
        assert f"1 gets it again first {other.host.name}" in page
        assert "migration" not in page
        migrate = {"name": "migrate", "phase": "once", "roles": [], "down_command": "bin/migrate <down>"}
        second.recipe = {"steps": [migrate]}
        second.save()
        Program.objects.create(run=builders.make_run(deploy=second), phase="once", nonce="n", result="ok")
        builders.make_deploy(target=target, status=S.RUNNING)
        html = client.get(reverse("rollback-preview", args=[first.pk])).content
        assert "1 migration stays as it is" in text_of(html)
        assert b"bin/migrate &lt;down&gt;" in html
        assert "Stop #3 and roll back" in text_of(html)
        assert b'name="stop" value="yes"' in html
        first.status = S.FAILED
        first.save()
        page = text_of(client.get(reverse("rollback-preview", args=[first.pk])).content)
        assert "cannot be gone back to" in page
        assert "#1 ended as failed" in page

    def test_stop_and_roll_back_is_one_click(self, target: Target, deployer: User) -> None:
        good = builders.make_deploy(target=target)
        for membership in target.environment.memberships.all():
            placement = builders.make_placement(host=membership.host, target=target, current=good.release)
            HeldRelease.objects.create(placement=placement, release=release_of(good))
        sick = builders.make_deploy(target=target, status=S.RUNNING)
        client = sign_in(deployer)
        html = client.get(f"/deploys/{sick.pk}").content.decode()
        assert "Stop and roll back to" in text_of(html.encode())
        client.post(reverse("rollback", args=[good.pk]), {"stop": "yes"})
        sick.refresh_from_db()
        assert sick.status == S.CANCELLING
        assert Deploy.objects.get(kind=Kind.ROLLBACK).status == S.WAITING

    def test_a_held_deploy_goes_live_by_a_click(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        client.post(address("start-deploy"), {"ref": "main", "when": "held"})
        deploy = Deploy.objects.get()
        assert deploy.held
        assert "Go live when prepared" in text_of(client.get(f"/deploys/{deploy.pk}").content)
        Deploy.objects.update(prepared_at=timezone.now())
        page = text_of(client.get(f"/deploys/{deploy.pk}").content)
        assert "Go live now" in page
        assert "it goes live when someone says so" in page
        client.post(reverse("flip", args=[deploy.pk]))
        assert not Deploy.objects.get().held
        refused = client.post(reverse("flip", args=[deploy.pk]), follow=True)
        assert "does not wait to go live" in text_of(refused.content)

    @pytest.mark.parametrize(
        ("time", "held"), [("2199-01-01T10:00", True), ("2001-01-01T10:00", False), ("soon", False), ("", False)]
    )
    def test_a_time_to_go_live(self, target: Target, deployer: User, time: str, held: bool) -> None:
        sign_in(deployer).post(address("start-deploy"), {"ref": "main", "when": "later", "flip_at": time})
        assert [deploy.held for deploy in Deploy.objects.all()] == ([True] if held else [])

    def test_a_host_that_differs_is_shown_and_converged(self, target: Target, deployer: User) -> None:
        live = builders.make_deploy(target=target)
        Standing.objects.update_or_create(target=target, defaults={"live": live, "latest": live})
        one, other = (member.host for member in target.environment.memberships.order_by("host__name"))
        builders.make_placement(host=one, target=target, current=live.release)
        now = timezone.now()
        builders.make_placement(
            host=other, target=target, current=live.release, seen="by-hand", drift="outside", seen_at=now
        )
        client = sign_in(deployer)
        page = text_of(client.get("/shop/staging/").content)
        assert "by-hand , seen" in page
        assert "Converge 1 host to" in page
        client.post(address("converge"))
        assert [run.host for run in Deploy.objects.get(kind=Kind.CONVERGE).runs.all()] == [other]


class TestStar:
    def test_a_star_is_given_and_taken_back(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        for word, starred in (("yes", True), ("yes", True), ("no", False), ("no", False)):
            assert client.post("/shop/staging/star", {"star": word}).headers["Location"] == "/shop/staging/"
            assert deployer.stars.exists() is starred
            assert (">Starred<" in client.get("/shop/staging/").content.decode().replace("</svg>", ">")) is starred

    def test_a_viewer_has_stars_too(self, target: Target) -> None:
        vera = builders.make_user(username="vera", role="viewer")
        sign_in(vera).post("/shop/staging/star", {"star": "yes"})
        assert vera.stars.get().target == target
