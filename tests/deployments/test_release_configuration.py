"""What hosts get of a configuration, and that its secrets are nowhere but in files of the hosts."""

import base64
import getpass
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.apps import apps
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from deployments import lifecycle, log, rehearsal, release_configuration
from deployments.models import Deploy
from deployments.release_configuration import ConfigurationUnusable
from deployments.runs import release_of
from environments.configuration import changing, delivering
from environments.configuration.delivering import Delivery
from environments.configuration.scopes import Scope
from environments.keys import ensure_key_pair
from environments.models import Host, HostKey, Role
from tests import builders
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end, request
from tests.deployments.fleet import Driver, FleetTarget, eventually, step
from tests.deployments.openssh import OpenSSH, running
from tests.processes import Processes
from tests.repository import Repository

CANARY = "canary-7Hq'9$x\"Vz"
LINES = "-----BEGIN CANARY-----\nq7Wm2Zt8Lk5Rd3Xp\n-----END CANARY-----\n"


def configure(place: FleetTarget, values: dict[str, str] | None = None, **paths: object) -> None:
    for name, value in (values or {}).items():
        changing.set_value(Scope(place.target), name, value, by=None)
    delivering.set_delivery(place.target, Delivery(**{"env": ".env", **paths}), by=None)  # type: ignore[arg-type]


@pytest.fixture
def templates(repositories: Path) -> Repository:
    """An application with a file that has places for values."""
    folder = repositories / f"templates-{time.monotonic_ns()}"
    folder.mkdir()
    repository = Repository(folder)
    repository.commit({"config/app.conf": "port=80\nhost=${DB_HOST}\nplain=$${X}\n", "index.html": "x\n"})
    return repository


def test_each_host_gets_its_own_by_every_way(
    make_fleet_target: MakeFleetTarget, driver: Driver, templates: Repository
) -> None:
    place = make_fleet_target(
        hosts=2,
        repository=templates,
        steps=[step("show", 'echo "prepare $NAME"'), step("up", 'echo "restart $NAME"', "restart")],
    )
    one, other = place.homes
    configure(place, {"NAME": "all", "DB_HOST": "db"}, json="settings.json", files=("config/app.conf",))
    changing.set_value(Scope(Host.objects.get(name=one)), "NAME", "first", by=None)
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, [run.error for run in deploy.runs.all()]) == ("succeeded", ["", ""])
    for host, name in ((one, "first"), (other, "all")):
        assert place.read(host, "current/.env").splitlines()[1:] == ["DB_HOST='db'", f"NAME='{name}'"]
        assert json.loads(place.read(host, "current/settings.json")) == {"DB_HOST": "db", "NAME": name}
        assert place.read(host, "current/config/app.conf") == "port=80\nhost=db\nplain=${X}\n"
        said = [line.text for line in log.read_all(deploy.pk, host=host) if line.stream == "stdout"]
        assert said == [f"prepare {name}", f"restart {name}"]
        assert {(place.root(host) / "current" / path).stat().st_mode & 0o777 for path in (".env", "settings.json")} == {
            0o600
        }


def test_a_retry_and_a_rollback_have_the_configuration_of_their_release(
    make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    place = make_fleet_target(hosts=2, steps=[step("fails", '[ "$MODE" != bad ] || [ ! -e ../../fail ]')])
    one, other = place.homes
    configure(place, {"MODE": "bad"})
    place.root(other).mkdir()
    (place.root(other) / "fail").touch()
    first = driver.run_to_end(request(place))
    assert first.status == "partial"
    changing.set_value(Scope(place.target), "MODE", "good", by=None)
    (place.root(other) / "fail").unlink()
    again = driver.run_to_end(lifecycle.retry(first, by=place.by))
    assert again.status == "succeeded"
    assert place.read(other, "current/.env").splitlines()[1:] == ["MODE='bad'"]
    second = driver.run_to_end(request(place))
    assert place.read(one, "current/.env").splitlines()[1:] == ["MODE='good'"]
    assert release_of(second).configuration_digest != release_of(first).configuration_digest
    back = driver.run_to_end(lifecycle.roll_back(place.target, to=again, by=place.by))
    assert back.status == "succeeded"
    assert {place.read(host, "current/.env").splitlines()[1] for host in place.homes} == {"MODE='bad'"}


def test_a_file_that_cannot_be_filled_is_told_before_anything_begins(
    make_place: MakeFleetTarget, templates: Repository
) -> None:
    place = make_place(hosts=2, repository=templates)
    configure(place, files=("config/app.conf",))
    with pytest.raises(ConfigurationUnusable, match=r"config/app\.conf, line 2: nothing is set for \$\{DB_HOST\}"):
        request(place)
    changing.set_value(Scope(Host.objects.get(name=next(iter(place.homes)))), "DB_HOST", "x", by=None)
    with pytest.raises(ConfigurationUnusable, match="line 2"):
        request(place)
    configure(place, files=("config/none.conf",))
    with pytest.raises(ConfigurationUnusable, match="has no such file"):
        request(place)
    assert not Deploy.objects.exists()


def test_what_is_not_live_yet_is_known(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1)
    deploy = request(place)
    assert release_of(deploy).configuration_digest == ""
    assert not release_configuration.differs(place.target, release_of(deploy))
    changed = changing.set_value(Scope(place.target), "A", "x", by=None)
    assert changed
    assert release_configuration.differs(place.target, release_of(deploy))
    changing.undo(changed, by=None)
    assert not release_configuration.differs(place.target, release_of(deploy))
    configure(place)
    assert release_configuration.differs(place.target, release_of(deploy))


def test_masks_know_what_may_lie_on_hosts(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=3)
    changing.set_value(Scope(place.target), "A", "old-secret", secret=True, by=None)
    deploy = request(place)
    changing.set_value(Scope(place.target), "A", "new-secret", by=None)
    assert {"old-secret", "new-secret"} <= release_configuration.secrets_of(deploy)
    end(deploy)


def test_a_dry_run_shows_the_files_without_secrets(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1)
    configure(place, {"OPEN": "to-be-seen"})
    changing.set_value(Scope(place.target), "TOKEN", CANARY, secret=True, by=None)
    (host,) = rehearsal.rehearse(place.target, "main", by=place.by).hosts
    prepare = dict(host.texts)["prepare"]
    assert "to-be-seen" in prepare
    assert "TOKEN=" in prepare
    assert hits(prepare.encode()) == []


# --- the canary


def forms_of_canary() -> list[bytes]:
    """Parts of the secrets that stand together in whatever form: as they are, in base64 at each place, and in hex."""
    found: list[bytes] = []
    for part in (b"canary-7Hq", b"q7Wm2Zt8Lk5Rd3Xp"):
        found += [part, part.hex().encode(), part.hex().upper().encode()]
        for before in range(3):
            encoded = base64.b64encode(b"x" * before + part)
            found.append(encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4])
    return found


def hits(data: bytes) -> list[bytes]:
    return [form for form in forms_of_canary() if form in data]


def everything_stored() -> dict[str, bytes]:
    """All rows of the database, all of Valkey, and all files of the Deployer."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    found = {"valkey": b"".join(client.dump(key) or b"" for key in client.scan_iter())}
    client.close()
    for model in apps.get_models(include_auto_created=True):
        rows = model._default_manager.values()
        found[model.__name__] = "\n".join(repr(row) for row in rows).encode()
    for path in Path(settings.VAR).rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[str(path)] = path.read_bytes()
    return found


@pytest.fixture
def openssh(processes: Processes, tmp_path: Path) -> Iterator[OpenSSH]:
    with running(processes, tmp_path) as server:
        yield server


LEAKS = """
echo "token $TOKEN"; printf '%s' "$TOKEN" | base64; printf 'user:%s' "$TOKEN" | base64
printf '%s' "$TOKEN" | od -An -v -tx1 | tr -d ' \\n'; echo
cat .env settings.json; echo "$LINES"; env | grep -e TOKEN -e CANARY; export -p | grep TOKEN
until [ -e ../../go ]; do sleep 0.1; done
"""


def test_a_secret_is_nowhere_but_on_the_host(
    openssh: OpenSSH, make_fleet_target: MakeFleetTarget, driver: Driver
) -> None:
    """To a real OpenSSH server, whose steps print it in every form; looked for in all that is kept or shown."""
    place = make_fleet_target(
        hosts=1, user=getpass.getuser(), root="~/apps/shop", steps=[step("leak", LEAKS), step("up", "env", "restart")]
    )
    (openssh.folder / "authorized_keys").write_text(f"{ensure_key_pair().public}\n")
    Host.objects.update(port=openssh.port)
    HostKey.objects.update(algorithm=openssh.host_key[0], key=openssh.host_key[1])
    changing.set_value(Scope(place.target), "TOKEN", CANARY, secret=True, by=None)
    changing.set_value(Scope(place.target.environment), "LINES", LINES, secret=True, by=None)
    configure(place, json="settings.json")
    root = openssh.home / "apps/shop"
    deploy, processes_seen = request(place), b""
    with driver.running(deploy):
        eventually(lambda: list(root.glob("releases/*/.env")), 30, "the configuration")
        for _ in range(20):
            processes_seen += subprocess.run(["ps", "-eww", "-o", "args"], check=True, capture_output=True).stdout
        (root / "go").touch()
    assert (deploy.status, [run.error for run in deploy.runs.all()]) == ("succeeded", [""])
    assert b"sshd" in processes_seen
    assert hits(processes_seen) == []
    env = (root / "current/.env").read_bytes()
    assert hits(env), "the search finds it where it is"
    texts = "\n".join(line.text for line in log.read_all(deploy.pk))
    assert texts.count("***") >= 8
    for where, data in everything_stored().items():
        assert hits(data) == [], f"in {where}"
    shown = Client()
    shown.force_login(builders.make_user(role=Role.ADMINISTRATOR))
    slug = place.target.slug
    for address in (
        f"/deploys/{deploy.pk}",
        f"/deploys/{deploy.pk}/log/lines",
        f"/{slug}/",
        "/activity",
        f"/api/v1/deploys/{deploy.pk}",
        f"/api/v1/targets/{slug}/configuration",
        f"/api/v1/targets/{slug}/configuration/changes",
    ):
        answer = shown.get(address)
        assert answer.status_code == 200, address
        assert hits(answer.content) == [], address
    kept = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and hits(path.read_bytes())}
    release = release_of(deploy).name
    assert kept == {
        f"releases/{release}/.env",
        f"releases/{release}/settings.json",
        f".deployer/releases/{release}/values",
    }
    assert {os.stat(root / path).st_mode & 0o777 for path in kept} == {0o600}


@pytest.mark.django_db
def test_the_pieces_of_a_deploy_read_its_layers_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    target = builders.make_target()
    changing.set_value(Scope(target), "PASSWORD", "as it was sent", secret=True, by=None)
    release = builders.make_release(target=target)
    release_configuration.stamp(release)
    release.save()
    deploy = builders.make_deploy(target=target, release=release)
    assert release_configuration.secrets_of(deploy) >= {"as it was sent"}
    with django_assert_num_queries(1):  # whether anything has changed
        release_configuration.secrets_of(deploy)
    changing.set_value(Scope(target), "PASSWORD", "set while it ran", secret=True, by=None)
    assert release_configuration.secrets_of(deploy) >= {"as it was sent", "set while it ran"}
