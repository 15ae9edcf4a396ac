"""The pages and their buttons through Django's client: what is shown, to whom, and at what price."""

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from deployments.models import Deploy
from deployments.states import DeployStatus, RunStatus
from environments import granting
from environments.models import Role, Target, User
from tests import builders
from tests.deployments.shop_pages import address, make_shop, sign_in, text_of

S, R = DeployStatus, RunStatus
pytestmark = pytest.mark.django_db


@pytest.fixture
def deployer() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Nwosu")


@pytest.fixture
def viewer() -> User:
    return builders.make_user(username="vera", role=Role.VIEWER)


@pytest.fixture
def target(tmp_path: Path, settings: Settings) -> Target:
    return make_shop(tmp_path, settings)


@pytest.mark.parametrize("history", [1, 10])
def test_the_pages_cost_a_fixed_number_of_queries(history: int, target: Target, deployer: User) -> None:
    for _ in range(3 * history):
        builders.make_run(deploy=builders.make_deploy(target=target, status=S.PARTIAL, by=deployer))
    deploy = builders.make_deploy(target=target, status=S.RUNNING, by=deployer)
    builders.make_run(deploy=deploy)
    client = sign_in(deployer)
    prices = {"home": 13, "target": 12, "new-deploy": 3, "new-deploy-plan": 11, "deploy": 9}
    for name, price in prices.items():
        arguments = {"home": [], "deploy": [deploy.pk]}.get(name, ["shop", "staging"])
        with CaptureQueriesContext(connection) as caught:
            response = client.get(reverse(name, args=arguments), {"ref": "main"})
        assert (response.status_code, name, len(caught)) == (200, name, price)


class TestWhoMaySee:
    def test_it_sends_strangers_to_the_sign_in_page_and_back(self, target: Target, client: Client) -> None:
        response = client.get("/shop/staging/")
        assert response.status_code == 302
        assert response.headers["Location"] == "/signin?next=/shop/staging/"

    def test_a_viewer_sees_no_button_that_changes_something(self, target: Target, viewer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.RUNNING)
        client = sign_in(viewer)
        for path in ("/", "/shop/staging/", f"/deploys/{deploy.pk}"):
            assert "formaction" not in client.get(path).content.decode()
        assert "Your role may look, not deploy" in text_of(client.get("/shop/staging/").content)

    @pytest.mark.parametrize("name", ["cancel", "retry", "rollback", "redeploy"])
    def test_a_viewer_may_not_change_anything(self, name: str, target: Target, viewer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.WAITING)
        response = sign_in(viewer).post(reverse(name, args=[deploy.pk]))
        assert response.status_code == 403
        assert Deploy.objects.get().status == S.WAITING

    @pytest.mark.parametrize("name", ["cancel", "retry", "rollback", "redeploy"])
    def test_a_link_changes_nothing(self, name: str, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.WAITING)
        assert sign_in(deployer).get(reverse(name, args=[deploy.pk])).status_code == 405

    def test_a_form_from_elsewhere_changes_nothing(self, target: Target, deployer: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(deployer)
        response = client.post(address("start-deploy"), {"ref": "main"})
        assert response.status_code == 403
        assert "came from elsewhere" in text_of(response.content)
        assert not Deploy.objects.exists()


class TestReading:
    def test_an_empty_installation_says_what_to_do_first(self, deployer: User) -> None:
        assert "An administrator connects the first application" in text_of(sign_in(deployer).get("/").content)

    def test_a_guest_reads_that_they_are_one(self, target: Target) -> None:
        guest = builders.make_user(username="guest", role=Role.GUEST)
        nothing = sign_in(guest).get("/").content
        assert "Nothing is open to you yet You are a guest here" in text_of(nothing)
        assert b"data-topics" not in nothing  # no socket is open to them either
        granting.give(guest, Role.VIEWER, application=target.application, by=None)
        some = sign_in(guest).get("/").content
        assert "You are a guest here" in text_of(some)
        assert b"data-topics" in some
        granting.give(guest, Role.VIEWER, by=None)
        assert "You are a guest here" not in text_of(sign_in(guest).get("/").content)

    def test_what_was_granted_shows_the_buttons_for_it(self, target: Target, viewer: User) -> None:
        assert "/shop/staging/edit" not in sign_in(viewer).get("/shop/staging/").content.decode()
        granting.give(viewer, Role.MAINTAINER, application=target.application, environment=target.environment, by=None)
        assert "/shop/staging/edit" in sign_in(viewer).get("/shop/staging/").content.decode()
        granting.give(viewer, Role.ADMINISTRATOR, by=None)
        target.environment.memberships.all().delete()
        assert "/hosts/add?environment=staging" in sign_in(viewer).get("/environments/staging").content.decode()

    def test_what_one_has_already_is_not_sent_again(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        deploy = builders.make_deploy(target=target, status=S.RUNNING)
        run = builders.make_run(deploy=deploy, status=R.PREPARING)
        for path in ("/", "/shop/staging/", f"/deploys/{deploy.pk}"):
            tag = client.get(path).headers["X-Tag"]
            assert client.get(path, headers={"X-Known": tag}).status_code == 204
        run.status = R.PREPARED
        run.save()
        assert client.get(path, headers={"X-Known": tag}).status_code == 200

    @pytest.mark.parametrize("path", ["/nope/nope/", "/nope/nope/deploy", "/deploys/4711", "/nothing/"])
    def test_a_wrong_address_is_told_kindly(self, path: str, deployer: User) -> None:
        response = sign_in(deployer).get(path)
        assert response.status_code == 404
        assert "There is no such page" in text_of(response.content)

    def test_names_are_escaped(self, target: Target) -> None:
        evil = builders.make_user(username="eve", first_name="<script>alert(1)</script>", last_name="E")
        deploy = builders.make_deploy(target=target, by=evil, reason="<b>bold</b>")
        for path in ("/", "/shop/staging/", f"/deploys/{deploy.pk}"):
            html = sign_in(evil).get(path).content.decode()
            assert "<script>alert" not in html
            assert "<b>bold" not in html

    def test_no_page_has_inline_styles_scripts_or_handlers(self, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.PARTIAL)
        builders.make_run(deploy=deploy, status=R.FAILED, error="no")
        client = sign_in(deployer)
        pages = [client.get(path) for path in ("/", "/shop/staging/", f"/deploys/{deploy.pk}", address("new-deploy"))]
        for page in [*pages, Client().get("/signin"), client.get("/nothing/")]:
            html = page.content.decode()
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", html)
            policy = page.headers["Content-Security-Policy"]
            assert "unsafe" not in policy

    def test_the_title_and_the_icon_show_the_state(self, target: Target, deployer: User) -> None:
        deploy = builders.make_deploy(target=target, status=S.PARTIAL)
        html = sign_in(deployer).get(f"/deploys/{deploy.pk}").content.decode()
        assert "<title>◐ shop to staging #1</title>" in html
        assert "favicons/partial.svg" in html

    def test_the_button_names_its_blocker(self, target: Target, deployer: User) -> None:
        running = builders.make_deploy(target=target, status=S.RUNNING, by=deployer)
        html = sign_in(deployer).get("/shop/staging/").content.decode()
        assert re.search(r'aria-disabled="true"[^>]*>.*#1 is running\..*By <bdi>Ada Nwosu', html)
        assert f'href="/deploys/{running.pk}"' in html


class TestNewDeploy:
    def test_it_offers_branches_that_contain_what_was_typed(self, target: Target, deployer: User) -> None:
        client = sign_in(deployer)
        client.get(address("new-deploy-plan"), {"ref": "main"})  # asks the repository once
        response = client.get(address("new-deploy-refs"), {"ref": "bask"})
        assert 'data-ref="feature/basket"' in response.content.decode()
        assert 'data-ref="main"' not in response.content.decode()

    def test_it_shows_the_steps_of_a_deployer_yml(self, target: Target, deployer: User, tmp_path: Path) -> None:
        text = text_of(sign_in(deployer).get(address("new-deploy-plan"), {"ref": "main"}).content)
        assert "deployer.yml" not in text
        revision = builders.commit(tmp_path / "shop", {"deployer.yml": "steps: [{name: build-it, command: make}]\n"})
        text = text_of(sign_in(deployer).get(address("new-deploy-plan"), {"ref": "main"}).content)
        assert f"Steps from deployer.yml at {revision[:7]}" in text
        assert "build-it prepare" in text

    def test_a_mistake_in_a_deployer_yml_is_told_with_its_place(
        self, target: Target, deployer: User, tmp_path: Path
    ) -> None:
        builders.commit(tmp_path / "shop", {"deployer.yml": "keep: 5\nroot: /tmp\n"})
        client = sign_in(deployer)
        text = text_of(client.get(address("new-deploy-plan"), {"ref": "main"}).content)
        assert "This cannot go out" in text
        assert "line 2, column 1: &#x27;root&#x27; is set in the dashboard" in text
        page = client.post(reverse("start-deploy", args=["shop", "staging"]), {"ref": "main"}, follow=True)
        assert "line 2, column 1" in text_of(page.content)
        assert not Deploy.objects.exists()

    def test_it_says_what_cannot_go_out(self, target: Target, deployer: User) -> None:
        text = text_of(sign_in(deployer).get(address("new-deploy-plan"), {"ref": "nowhere"}).content)
        assert "This cannot go out" in text
        assert "no branch, tag or commit named" in text
