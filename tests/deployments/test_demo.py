"""The demo as a newcomer finds it: seeded on a real fleet, deployed for real."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db.models import Model
from pytest_django import Settings

from deployments import lifecycle, log
from deployments.demo import DemoOff, FleetMissing, FolderUnfit, demo_state, seed, wait_for_fleet
from deployments.down_commands import migrations_since
from deployments.models import Deploy, HookDelivery, HostRun, Placement
from deployments.states import DeployStatus, RunStatus
from deployments.written import applying, planning
from deployments.written.export import export
from environments import ssh
from environments.demo.layout import DemoFolder
from environments.demo.people import people_file
from environments.demo.records import correct_ports
from environments.models import (
    Application,
    Environment,
    Host,
    HostKey,
    HostSource,
    KeyPair,
    Lock,
    LockRequest,
    Membership,
    Region,
    Reservation,
    Step,
    Target,
    User,
    Zone,
)
from environments.sources import refreshing
from tests.deployments.fleet import Driver
from tests.environments.demo_fleet import RunningFleet, a_fleet, enabled

MODELS: tuple[type[Model], ...] = (
    Application,
    Environment,
    Host,
    HostKey,
    Membership,
    Placement,
    Region,
    Step,
    Target,
    User,
    Zone,
    Deploy,
    Lock,
    LockRequest,
    Reservation,
)


@pytest.fixture
def demo(settings: Settings, tmp_path: Path, transactional_db: None) -> Iterator[RunningFleet]:
    """A fleet in a VAR of its own, with the demo on."""
    settings.VAR = tmp_path
    settings.DEMO = True
    settings.REPOSITORY_ROOTS = [tmp_path / "demo" / "repositories"]
    with a_fleet(tmp_path / "demo", asyncssh.generate_private_key("ssh-ed25519")) as fleet:
        yield fleet
        ssh.close_idle(-1)


def everything() -> dict[str, list[Any]]:
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in MODELS}


def staging(application: str) -> Target:
    return Target.objects.get(application__name=application, environment__name="staging")


def answers_of(application: str, path: str) -> dict[str, tuple[int, str]]:
    """What each host of staging answers over HTTP."""
    found = {}
    for placement in Placement.objects.filter(target=staging(application)).select_related("host"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{placement.port}{path}", timeout=60) as answer:
                found[placement.host.name] = (answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                found[placement.host.name] = (error.code, error.read().decode())
    return found


def deploys_of(application: str) -> list[Deploy]:
    return list(Deploy.objects.filter(target=staging(application)).order_by("number"))


def request(target: Target, ref: str) -> Deploy:
    return lifecycle.request_deploy(target=target, ref=ref, by=User.objects.get(username="ben"))


@pytest.mark.usefixtures("demo")
def test_a_seed_makes_places_people_applications_and_targets(tmp_path: Path) -> None:
    seed()
    assert (Region.objects.count(), Zone.objects.count(), Host.objects.count()) == (3, 9, 18)
    assert Membership.objects.filter(environment__name="production").count() == 12
    assert Membership.objects.filter(environment__name="staging").count() == 6
    assert HostKey.objects.count() == 18
    assert set(Application.objects.values_list("name", "distribution")) == {
        ("storefront", "archive"),
        ("pricing-api", "git"),
    }
    assert Target.objects.count() == 4
    assert Placement.objects.count() == 36
    assert len(set(Placement.objects.values_list("port", flat=True))) == 36
    for model in (Application, Host, Target, Step, Placement, User):
        for row in model.objects.all():
            row.full_clean()
    assert (tmp_path / "demo" / "authorized_keys").read_text().strip() == KeyPair.objects.get().public.strip()


@pytest.mark.usefixtures("demo")
def test_the_first_deploys_bring_a_tag_that_main_is_ahead_of() -> None:
    deploys = seed()
    assert {(deploy.target.slug, deploy.ref, deploy.number, deploy.by_name) for deploy in deploys} == {
        (f"{application}/{environment}", "v1.2", 1, "the Deployer")
        for application in ("storefront", "pricing-api")
        for environment in ("staging", "production")
    }


@pytest.mark.usefixtures("demo")
def test_a_newcomer_sees_what_hooks_came_and_none_of_them_deploys() -> None:
    seed()
    came = list(HookDelivery.objects.order_by("pk").values_list("event", "decision"))
    words = ["noted", "checks", "skipped", "duplicate", "unsigned"]
    assert [word for _, word in came] == words
    assert not Deploy.objects.filter(trigger="hook").exists()
    seed()
    assert HookDelivery.objects.count() == len(words)


@pytest.mark.usefixtures("demo")
def test_a_newcomer_sees_a_lock_somebody_who_waits_and_a_reservation() -> None:
    deploys = seed()
    assert {deploy.status for deploy in deploys} == {"running"}  # none of them is held by it
    lock, waits = Lock.objects.get(), LockRequest.objects.get()
    assert (lock.scope, lock.holder_name, waits.scope, waits.person.username) == (
        *("pricing-api/staging", "Ben Sato", "pricing-api/staging", "ada"),
    )
    assert set(Reservation.objects.values_list("scope", "holder_name")) == {("storefront/staging", "Ada Marsh")}
    assert Reservation.objects.count() == 4


@pytest.mark.usefixtures("demo")
def test_a_second_seed_changes_nothing(tmp_path: Path) -> None:
    seed()
    before, words = everything(), people_file(tmp_path).read_text()
    assert seed() == []
    assert everything() == before
    assert people_file(tmp_path).read_text() == words


@pytest.mark.usefixtures("demo")
def test_the_whole_demo_is_written_down_and_made_anew_in_an_empty_installation() -> None:
    seed()
    refreshing.refresh_due()
    first = export()
    said = yaml.safe_load(first)
    hosts = [host for place in said["environments"].values() for host in place["hosts"]]
    assert (len(hosts), len(said["targets"]), list(said["sources"]), list(said["people"])) == (
        *(18, 4, ["inventory"], ["ada", "ben", "cleo"]),
    )
    call_command("flush", interactive=False, verbosity=0)
    assert not Host.objects.exists()
    file = planning.read(first)
    assert applying.apply(file, by=None).changes
    assert export() == first
    assert applying.apply(file, remove=True, by=None).changes == ()
    refreshing.refresh_due()  # the source names hosts that are here: they stay as the file has them
    assert HostSource.objects.get().trouble == ""
    assert export() == first


@pytest.mark.usefixtures("demo")
def test_what_a_person_changed_stays() -> None:
    seed()
    Step.objects.filter(target=staging("storefront"), name="warm-cache").delete()
    Target.objects.filter(pk=staging("storefront").pk).update(keep=9)
    ada = User.objects.get(username="ada")
    ada.set_password("my own words")
    ada.save()
    seed()
    assert not Step.objects.filter(target=staging("storefront"), name="warm-cache").exists()
    assert staging("storefront").keep == 9
    assert User.objects.get(username="ada").check_password("my own words")


def test_a_seed_brings_a_demo_to_life_and_says_when(demo: RunningFleet, driver: Driver) -> None:
    assert demo_state() == (False, "The demo is being set up; see the lines of `seed` if this lasts.")
    deploys = seed()
    ok, text = demo_state()
    assert not ok
    assert "storefront/production" in text
    for deploy in deploys:
        driver.run_to_end(deploy)
        assert deploy.status == DeployStatus.SUCCEEDED, (deploy.reason, deploy.runs.values_list("host_name", "error"))
    assert demo_state()[0]
    for application in ("storefront", "pricing-api"):
        revision = Deploy.objects.get(target=staging(application)).revision
        found = answers_of(application, "/version")
        assert len(found) == 6
        assert {host: (200, json.loads(text)) for host, (_, text) in found.items()} == {
            host: (200, {"application": application, "revision": revision, "host": host}) for host in found
        }
    assert "Good morning!" in answers_of("storefront", "/")["eu-west-b-02"][1]
    newer = driver.run_to_end(request(staging("storefront"), "main"))
    assert newer.status == DeployStatus.SUCCEEDED, newer.reason
    assert "Welcome!" in answers_of("storefront", "/")["eu-west-b-02"][1]
    steps = {step["name"]: step["preset"] for step in newer.recipe["steps"]}
    assert steps == {
        "compile-assets": "asset-compile",
        "migrate": "database-migration",
        "restart": "command",
        "smoke": "command",
        "warm-cache": "cache-warm",
        "stop": "command",
    }
    assert "200 /" in [line.text for line in log.read_all(newer.pk)]
    assert [migration.down for migration in migrations_since(deploys_of("storefront")[0])] == ["bin/migrate down"]
    assert set(enabled(demo, "eu-west-b-02")) == {"storefront", "pricing-api"}


@pytest.mark.usefixtures("demo")
def test_one_branch_fails_in_one_zone_and_another_answers_500(driver: Driver) -> None:
    for deploy in seed():
        if deploy.target == staging("storefront"):
            driver.run_to_end(deploy)
    pictures = driver.run_to_end(request(staging("storefront"), "fix/product-pictures"))
    assert pictures.status == DeployStatus.PARTIAL
    failed = HostRun.objects.get(deploy=pictures, status=RunStatus.FAILED)
    assert failed.host_name == "us-east-b-02"
    assert {text == pictures.revision for text in _revisions("storefront", without="us-east-b-02")} == {True}
    cards = driver.run_to_end(request(staging("storefront"), "feature/gift-cards"))
    assert cards.status == DeployStatus.FAILED
    assert set(HostRun.objects.filter(deploy=cards).values_list("status", flat=True)) == {RunStatus.FAILED}
    assert {status for status, _ in answers_of("storefront", "/").values()} == {500}
    assert {text == cards.revision for text in _revisions("storefront")} == {True}


def test_a_host_that_listens_elsewhere_is_corrected(demo: RunningFleet) -> None:
    seed()
    Host.objects.filter(name="eu-west-a-01").update(port=1)
    own = Host.objects.create(name="our-own", address="127.0.0.1", port=2)
    assert correct_ports(wait_for_fleet(demo.demo)) == ["eu-west-a-01"]
    assert Host.objects.get(name="eu-west-a-01").port == demo.host("eu-west-a-01").port
    assert Host.objects.get(pk=own.pk).port == 2


def test_a_host_of_a_person_with_a_demo_s_name_is_left_alone(demo: RunningFleet) -> None:
    Host.objects.create(name="eu-west-a-01", address="192.0.2.1", port=22)
    correct_ports(wait_for_fleet(demo.demo))
    assert Host.objects.get(name="eu-west-a-01").port == 22


@pytest.mark.usefixtures("demo")
def test_a_key_of_an_emptied_demo_folder_is_replaced() -> None:
    seed()
    before = HostKey.objects.get(host__name="eu-west-a-01")
    HostKey.objects.filter(pk=before.pk).update(key="AAAAold")
    seed()
    assert HostKey.objects.get(host__name="eu-west-a-01").key == before.key


@pytest.mark.django_db
def test_nothing_of_the_demo_exists_when_it_is_off(settings: Settings, tmp_path: Path) -> None:
    settings.VAR, settings.DEMO = tmp_path, False
    with pytest.raises(DemoOff, match="DEMO=0"):
        seed()
    with pytest.raises(CommandError, match="DEMO=0"):
        call_command("demo_seed")
    assert everything() == {model.__name__: [] for model in MODELS}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_a_folder_that_no_repository_may_lie_in_is_refused_before_anything_is_made(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR, settings.DEMO = tmp_path / "with; a strange name", True
    settings.REPOSITORY_ROOTS = [settings.VAR]
    with pytest.raises(FolderUnfit, match=r"with; a strange name.*Start with VAR set to a folder"):
        seed()
    assert everything() == {model.__name__: [] for model in MODELS}
    assert list(tmp_path.iterdir()) == []


def test_a_fleet_that_is_gone_is_missed_also_when_its_file_is_there(tmp_path: Path) -> None:
    with pytest.raises(FleetMissing, match="did not listen"):
        wait_for_fleet(DemoFolder(tmp_path), patience=0)
    with a_fleet(tmp_path / "demo", asyncssh.generate_private_key("ssh-ed25519")) as fleet:
        assert wait_for_fleet(fleet.demo).pid == fleet.process.pid
    with pytest.raises(FleetMissing, match=r"manage\.py demo_fleet"):
        wait_for_fleet(fleet.demo, patience=0)


def _revisions(application: str, without: str = "") -> set[str]:
    found = answers_of(application, "/version")
    return {str(json.loads(text)["revision"]) for host, (_, text) in found.items() if host != without}
