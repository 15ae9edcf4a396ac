"""Deploys with secrets that lie elsewhere: asked for once, given to every host, and nowhere else in the clear."""

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from deployments import lifecycle, log, outside_secrets, release_configuration
from deployments.models import Deploy, Standing
from deployments.release_configuration import ConfigurationUnusable
from deployments.runs import release_of
from environments.configuration import delivering, referring
from environments.configuration.delivering import Delivery
from environments.configuration.scopes import Scope
from environments.models import FetchedSecrets, Role, SecretStore, Target
from environments.secret_stores import keeping
from environments.secret_stores.keeping import Plan
from environments.secret_stores.references import Found, Reference
from tests import builders
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import request
from tests.deployments.fleet import Driver, step
from tests.deployments.test_release_configuration import everything_stored
from tests.environments.secret_stores.test_remembering import at_once
from tests.environments.secret_stores.vault import Vault, serving

CANARY = "canary-3Kd8'$\"outside"
LEAKS = """echo "token $TOKEN"; printf 'user:%s' "$TOKEN" | base64; cat .env"""


@pytest.fixture
def vault() -> Iterator[Vault]:
    with serving() as server:
        server.put("shop/database", password=CANARY, user="shop")
        yield server


def refer(
    target: Target, vault: Vault, name: str = "TOKEN", path: str = "shop/database", key: str = "password"
) -> None:
    if not SecretStore.objects.filter(name="vault").exists():
        keeping.add(Plan("vault", "vault", {"address": vault.address}, vault.token), by=None)
    referring.set_reference(Scope(target), name, Reference("vault", path, key), by=None)


def hits(data: bytes) -> list[bytes]:
    part = b"canary-3Kd8"
    forms = [part, part.hex().encode()]
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + part)
        forms.append(encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4])
    return [form for form in forms if form in data]


def printing(folder: Path) -> str:
    """A program that prints one more secret, and notes the words of all processes and its own environment."""
    (folder / "secret").write_text(f"second {CANARY}")
    path = folder / "print"
    looks = f"cat /proc/[0-9]*/cmdline /proc/self/environ >{folder}/seen 2>&-"
    path.write_text(f"#!/bin/sh\n{looks}\ncat {folder}/secret\n")
    path.chmod(0o700)
    return str(path)


def test_every_host_gets_it_by_one_asking_and_it_is_nowhere_else(
    make_fleet_target: MakeFleetTarget, driver: Driver, vault: Vault, tmp_path: Path
) -> None:
    looks = "cat /proc/[0-9]*/cmdline >../../seen 2>&- || true; "
    place = make_fleet_target(
        hosts=3, steps=[step("leak", looks + LEAKS), step("up", LEAKS.replace("cat .env", ""), "restart")]
    )
    refer(place.target, vault)
    program = printing(tmp_path)
    keeping.add(Plan("command", "zz-last", {"command": f"{program} {{}}"}), by=None)
    referring.set_reference(Scope(place.target), "SIGNING", Reference("zz-last", "x"), by=None)
    refer(place.target, vault, "DB_USER", key="user")
    delivering.set_delivery(place.target, Delivery(env=".env", json="settings.json"), by=None)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, {run.error for run in deploy.runs.all()}) == ("succeeded", {""})
    assert vault.count("secret/data/shop/database") == 1
    for host in place.homes:
        assert hits((place.root(host) / "current/.env").read_bytes())
        assert "DB_USER='shop'" in place.read(host, "current/.env")
    for seen in (tmp_path / "seen", *(place.root(host) / "seen" for host in place.homes)):
        words = seen.read_bytes()
        assert b"pytest" in words, "other processes were seen"
        assert hits(words) == [], f"as {seen} tells"
        assert vault.token.encode() not in words, f"as {seen} tells"
    assert b"PATH=" in (tmp_path / "seen").read_bytes(), "its own environment was seen"
    texts = "\n".join(line.text for line in log.read_all(deploy.pk))
    assert "Took DB_USER, TOKEN from the secret store vault. Took SIGNING from the secret store zz-last." in texts
    assert texts.count("***") >= 9
    for where, data in everything_stored().items():
        assert hits(data) == [], f"in {where}"
        assert vault.token.encode() not in data, f"in {where}"
    shown = Client()
    shown.force_login(builders.make_user(role=Role.ADMINISTRATOR))
    slug = place.target.slug
    for address in (
        f"/deploys/{deploy.pk}",
        f"/deploys/{deploy.pk}/log/lines",
        f"/{slug}/configuration",
        "/activity",
        "/settings/secret-stores",
        "/settings/secret-stores/of/vault",
        f"/api/v1/deploys/{deploy.pk}",
        f"/api/v1/targets/{slug}/configuration",
        f"/api/v1/targets/{slug}/configuration/changes",
        "/api/v1/secret-stores",
    ):
        answer = shown.get(address)
        assert answer.status_code == 200, address
        assert hits(answer.content) == [], address


def test_from_a_store_that_is_away_to_a_rollback_that_asks_nobody(
    make_fleet_target: MakeFleetTarget, driver: Driver, vault: Vault
) -> None:
    """What does not answer ends a deploy before anything is sent; a newer version is not live yet, until it is."""
    place = make_fleet_target(hosts=2)
    driver.run_to_end(request(place))
    refer(place.target, vault)
    delivering.set_delivery(place.target, Delivery(env=".env"), by=None)
    vault.sealed = True
    deploy = driver.run_to_end(request(place))
    assert deploy.status == "failed"
    for run in deploy.runs.all():
        assert run.error.startswith("TOKEN cannot be had from the secret store vault.")
        assert "is sealed or in maintenance, so it tells nothing. Unseal it." in run.error
        assert "What it served before is still current." in run.error
    assert vault.count("secret/") == 1, "no host asks again"
    assert {host for host in place.homes if (place.root(host) / "releases" / release_of(deploy).name).exists()} == set()
    assert not FetchedSecrets.objects.exists()
    vault.sealed = False
    first = driver.run_to_end(lifecycle.retry(deploy, by=place.by))
    assert first.status == "succeeded"

    target = Target.objects.get(pk=place.target.pk)
    assert not release_configuration.differs(target, live_release(target))
    vault.put("shop/database", password="the-second-one")
    store = SecretStore.objects.get()
    assert keeping.try_out(store, path="shop/database", by=None).version == 2  # as another target's deploy would find
    assert release_configuration.differs(target, live_release(target))
    second = driver.run_to_end(lifecycle.deploy_configuration(target, by=place.by))
    assert second.status == "succeeded"
    for host in place.homes:
        assert "TOKEN='the-second-one'" in place.read(host, "current/.env")
    assert not release_configuration.differs(target, live_release(target))

    asked = len(vault.asked)
    FetchedSecrets.objects.all().delete()  # a release that lies on its hosts needs nobody who remembers
    back = driver.run_to_end(lifecycle.roll_back(place.target, to=first, by=place.by))
    assert (back.status, len(vault.asked)) == ("succeeded", asked)
    for host in place.homes:
        assert hits((place.root(host) / "current/.env").read_bytes())


def live_release(target: Target) -> Any:
    standing = Standing.objects.select_related("live__release").get(target=target)
    assert standing.live
    return standing.live.release


# --- without hosts


@pytest.fixture
def waiting(db: None, vault: Vault) -> Deploy:
    """A deploy to two hosts that has not begun."""
    target = builders.make_target(hosts=2)
    refer(target, vault)
    release = builders.make_release(target=target)
    release_configuration.stamp(release)
    release.save()
    deploy = builders.make_deploy(target=target, release=release, status="running")
    for host in target.environment.memberships.select_related("host"):
        builders.make_run(deploy=deploy, host=host.host, status="pending")
    return deploy


def ensure(deploy: Deploy, interrupted: Callable[[], bool] = lambda: False) -> None:
    outside_secrets.ensure(Deploy.objects.get(pk=deploy.pk), interrupted)


def test_what_a_release_was_given_stays_with_it(waiting: Deploy, vault: Vault) -> None:
    ensure(waiting)
    vault.put("shop/database", password="the-second-one")
    ensure(waiting)  # as a retry weeks later does
    assert vault.count("secret/") == 1
    deploy = Deploy.objects.get(pk=waiting.pk)
    configured = release_configuration.read(deploy, list(deploy.runs.all()))
    assert configured is not None
    assert CANARY in configured.of(deploy.runs.all()[0]).exports.replace("'\"'\"'", "'")
    assert release_of(deploy).configuration["versions"] == {Reference("vault", "shop/database", "password").text: 1}  # type: ignore[index]


def test_masks_know_what_was_given_in_every_form(waiting: Deploy) -> None:
    assert CANARY not in release_configuration.secrets_of(waiting)
    ensure(waiting)
    known = release_configuration.secrets_of(Deploy.objects.get(pk=waiting.pk))
    assert {CANARY, CANARY.replace('"', '\\"').replace("$", "\\$")} <= known


def test_masks_know_what_lives_and_what_a_retry_is_given(waiting: Deploy, vault: Vault) -> None:
    """A retry has the release of the deploy before it; hosts still have files of what is live."""
    ensure(waiting)
    Deploy.objects.update(status="failed")
    retry = builders.make_deploy(target=waiting.target, release=waiting.release)
    assert CANARY in release_configuration.secrets_of(retry)
    vault.put("shop/database", password="the-second-one")
    release = builders.make_release(target=waiting.target)
    release_configuration.stamp(release)
    release.save()
    later = builders.make_deploy(target=waiting.target, release=release, status="running")
    builders.make_run(deploy=later, host=waiting.runs.all()[0].host, status="pending")
    ensure(later)
    assert {CANARY, "the-second-one"} <= release_configuration.secrets_of(later)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_away", [False, True], ids=["answers", "is away"])
def test_of_two_batches_at_once_one_asks(waiting: Deploy, vault: Vault, driver: Driver, is_away: bool) -> None:
    """The other one waits for it, and gets the same values, or the same trouble."""
    vault.answers = (500, b"{}") if is_away else None
    begun, other_is_there = threading.Event(), threading.Event()

    def first_is_asked() -> None:
        begun.set()
        assert other_is_there.wait(30)

    def there() -> bool:
        """Asked by who finds the lock taken."""
        other_is_there.set()
        return False

    def trouble(interrupted: Callable[[], bool] = lambda: False) -> str:
        try:
            ensure(waiting, interrupted)
        except ConfigurationUnusable as error:
            return str(error)
        return ""

    told: list[str] = []
    vault.on_asked = first_is_asked
    with driver.working(lambda: told.append(trouble())):
        assert begun.wait(30)
        vault.on_asked = other_is_there.set  # where no lock is
        told.append(trouble(there))
    assert vault.count("secret/") == 1
    assert told[0] == told[1]
    assert list((Path(settings.VAR) / "secrets").glob("*.lock")) == []
    assert ("TOKEN cannot be had" in told[0]) is is_away
    assert FetchedSecrets.objects.exists() is not is_away


def test_of_many_batches_one_asks_when_the_store_is_away_too(waiting: Deploy, vault: Vault) -> None:
    vault.answers = (500, b"{}")
    for _ in range(3):
        with pytest.raises(
            ConfigurationUnusable, match=r"TOKEN cannot be had from the secret store vault\. .*answers 500"
        ):
            ensure(waiting)
    assert vault.count("secret/") == 1


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_workers_of_several_machines_note_their_versions_side_by_side(waiting: Deploy) -> None:
    """None knows of the other's lock file, so each asks; what one notes does not go when another notes."""
    release = release_of(waiting)
    wanted = [Reference("vault", f"shop/{number}", "password") for number in range(8)]

    def note(number: int) -> None:
        outside_secrets._note_versions(release, {wanted[number]: Found("x", number + 1)})

    at_once([partial(note, number) for number in range(8)])
    versions = Deploy.objects.get(pk=waiting.pk).release.configuration["versions"]  # type: ignore[union-attr, index]
    assert versions == {reference.text: number + 1 for number, reference in enumerate(wanted)}


def test_only_so_many_failures_are_kept_in_mind(waiting: Deploy, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside_secrets, "REMEMBERED", 2)
    monkeypatch.setattr(outside_secrets, "_failed", failed := OrderedDict[str, str]())
    vault.sealed = True
    for key in ("a", "b", "c"):
        Deploy.objects.update(key=key)
        with pytest.raises(ConfigurationUnusable):
            ensure(waiting)
    assert list(failed) == ["b", "c"]


def test_a_value_that_no_host_gets_is_not_asked_for(waiting: Deploy, vault: Vault) -> None:
    """It is covered by a nearer layer everywhere, so it cannot stop a deploy either."""
    refer(waiting.target, vault, "COVERED")
    referring.set_reference(
        Scope(waiting.target.application), "COVERED", Reference("vault", "old/nothing", "x"), by=None
    )
    release = release_of(waiting)
    release_configuration.stamp(release)
    release.save()
    ensure(waiting)
    assert vault.count("secret/data/old") == 0


def test_a_dry_run_says_where_it_lies_and_asks_nobody(waiting: Deploy, vault: Vault) -> None:
    deploy = Deploy.objects.get(pk=waiting.pk)
    configured = release_configuration.read(deploy, list(deploy.runs.all()), masked=True)
    assert configured is not None
    assert "TOKEN='*** from vault: shop/database#password'" in configured.of(deploy.runs.all()[0]).exports
    assert vault.asked == []
