"""Which of the first steps are done, and where the next one is."""

from pathlib import Path

import pytest
from pytest_django import Settings

from deployments.models import Kind
from deployments.page_queries.first_steps import FirstSteps, read_first_steps
from environments import repositories
from environments.models import Application, HostKey, Membership, Role, User
from tests import builders
from tests.deployments.shop_pages import make_shop, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", role=Role.ADMINISTRATOR)


def state(user: User) -> tuple[int, str, str]:
    steps = read_first_steps(user)
    return steps.done, steps.next.key if steps.next else "", steps.next.url if steps.next else ""


def all_of(user: User) -> FirstSteps:
    return read_first_steps(user)


def test_one_after_the_other(ada: User, tmp_path: Path, settings: Settings) -> None:
    assert state(ada) == (1, "repository", "/applications/add")
    target = make_shop(tmp_path, settings)
    target.delete()
    hosts = list(Membership.objects.all())
    Membership.objects.all().delete()
    assert state(ada) == (1, "repository", "/applications/shop/repository")
    repositories.fetch(Application.objects.get())
    assert state(ada) == (2, "hosts", "/hosts/add")
    Membership.objects.bulk_create(hosts)
    assert state(ada) == (2, "hosts", "/environments/staging/hosts/check")
    for member in hosts:
        HostKey.objects.create(host=member.host, algorithm="ssh-ed25519", key="x", accepted_by="ada")
    assert state(ada) == (3, "target", "/targets/add?application=shop&environment=staging")
    target = builders.make_target(application=target.application, environment=target.environment)
    assert state(ada) == (4, "deploy-one", "/shop/staging/deploy?to=one")
    deploy = builders.make_deploy(target=target)
    builders.make_placement(host=hosts[0].host, target=target, current=deploy.release)
    assert state(ada) == (5, "deploy-all", "/shop/staging/deploy")
    assert not all_of(ada).over
    builders.make_placement(host=hosts[1].host, target=target, current=deploy.release)
    assert state(ada) == (6, "rollback", "/shop/staging/")
    assert all_of(ada).over
    builders.make_deploy(target=target, kind=Kind.ROLLBACK)
    assert state(ada) == (7, "", "")


def test_two_keys_of_one_host_are_not_two_hosts(ada: User) -> None:
    place = builders.make_environment(name="production")
    one = builders.make_host(environment=place)
    builders.make_host(environment=place)
    for key in "xy":
        HostKey.objects.create(host=one, algorithm="ssh-ed25519", key=key, accepted_by="ada")
    fact = next(step.fact for step in all_of(ada).steps if step.key == "hosts")
    assert fact == "1 of 2 trusted, in production"


def test_an_empty_home_leads_to_them(ada: User) -> None:
    assert b'href="/start"' in sign_in(ada).get("/").content
    viewer = sign_in(builders.make_user(role=Role.VIEWER)).get("/").content
    assert b'href="/start"' not in viewer
    assert b"administrator connects the first application" in viewer


def test_going_on_leads_to_the_next_one(ada: User) -> None:
    assert sign_in(ada).get("/start?go=on").headers["Location"] == "/applications/add"
