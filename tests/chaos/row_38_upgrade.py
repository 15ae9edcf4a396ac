"""R38: an upgrade in the middle of deploys: old workers on new tables, new workers on what old ones leave, and back.

The version before is CHAOS_PREVIOUS, the last tag, or without one what was there before the newest migration.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from deployments.models import Deploy
from tests.chaos.cluster import Cluster, await_ends
from tests.chaos.counted import COUNTED_STEPS
from tests.chaos.truth import check_true_end, executions_once
from tests.chaos.versions import Version, go_back_to, lay_out, new_migrations, previous_commit
from tests.deployer_site.copies import ROOT
from tests.deployments.fleet import FleetTarget, step
from tests.deployments.workers import environment_of_workers
from tests.patience import within
from tests.postgresql import PostgreSQL

LONGEST = 180.0  # a deploy, or the start of workers, on a busy machine
# runs until it is let go on, however long an upgrade takes here
_WAITS = (
    "echo begin $DEPLOYER_NUMBER build >>../../marks; n=0; "
    "while [ ! -e ../../go-$DEPLOYER_NUMBER ]; do n=$((n + 1)); echo build $n; sleep 0.3; done "
    "| tee -a ../../printed-$DEPLOYER_NUMBER; echo end $DEPLOYER_NUMBER build >>../../marks"
)
STEPS = (step("build", _WAITS), *COUNTED_STEPS[1:])
# what stores, claims, decides and tells; the pages and doors of a version are looked at by its own tests
_NAMES = ("test_claims", "test_runs", "test_lifecycle", "test_lifecycle_again", "test_log", "test_told_truly")
OLD_TESTS = (*(f"tests/deployments/{name}.py" for name in _NAMES), "tests/environments/locks")
_REQUEST = """
from deployments import lifecycle
from environments.models import Target, User
target, by = Target.objects.get(pk={target}), User.objects.get(pk={by})
print("deploy", lifecycle.request_deploy(target=target, ref="main", by=by, wait=True).pk)
"""


@pytest.fixture(scope="module")
def old() -> Iterator[Version]:
    with tempfile.TemporaryDirectory(prefix="version-before-") as folder:
        yield lay_out(previous_commit(), Path(folder))


def _request(version: Version, place: FleetTarget, env: dict[str, str]) -> int:
    """Asked for by the code of that version; its key."""
    code = _REQUEST.format(target=place.target.pk, by=place.by.pk)
    said = version.manage("shell", "-c", code, env=env)
    assert said.returncode == 0, said.stderr
    return int(said.stdout.rpartition("deploy ")[2])


def _began(place: FleetTarget, number: int) -> bool:
    marks = [root / "marks" for root in place.roots()]
    return all(path.exists() and f"begin {number} build" in path.read_text() for path in marks)


def _check(place: FleetTarget, deploys: list[Deploy]) -> None:
    for deploy in deploys:
        deploy.refresh_from_db()
        errors = [run.error for run in deploy.runs.all() if run.error]
        assert (deploy.status, errors) == ("succeeded", []), deploy.reason
        assert executions_once(place, deploy) == 1
    check_true_end(place, deploys[-1])


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_r38_an_upgrade_with_deploys_in_flight(cluster: Cluster, old: Version, tmp_path: Path) -> None:
    place = cluster.make(hosts=3, steps=STEPS)
    env = environment_of_workers(cluster.repositories, cluster.redis_url)
    here = Version(ROOT)
    try:
        go_back_to(old, env)
        cluster.start(2, folder=old.folder)
        keys = [_request(old, place, env) for _ in range(3)]
        within(lambda: _began(place, 1), LONGEST, "the step on all hosts")
        _fail_half_way(tmp_path, env)
        here.migrate(env)
    finally:
        here.migrate(env)  # whatever happened: rows that follow need the tables of this version
    _let_go_on(place, 1)
    first, second, third = (Deploy.objects.get(pk=key) for key in keys)
    await_ends([first], LONGEST)
    print(f"R38: old workers ended a deploy over {len(new_migrations(old))} new migrations: {first.status}")
    within(lambda: _began(place, 2), LONGEST, "the second, begun by old workers on new tables")
    cluster.kill_all()
    cluster.start(2)
    _let_go_on(place, 2, 3, 4)
    await_ends([second, third], 2 * LONGEST)
    _check(place, [first, second, third])
    print("R38: new workers adopted what old ones had begun, and began what waited: all true")
    cluster.kill_all()
    cluster.start(2, folder=old.folder)
    back = Deploy.objects.get(pk=_request(old, place, env))
    await_ends([back], LONGEST)
    _check(place, [back])
    print(f"R38: back to {old.commit[:7]} on the new tables: its deploy is true")


def _let_go_on(place: FleetTarget, *numbers: int) -> None:
    for root in place.roots():
        for number in numbers:
            (root / f"go-{number}").touch()


def _fail_half_way(tmp_path: Path, env: dict[str, str]) -> None:
    """A version whose last migration fails in its middle: what goes before it is applied, and of it nothing."""
    broken = tmp_path / "broken"
    shutil.copytree(ROOT, broken, ignore=shutil.ignore_patterns(".*", "__pycache__", "node_modules"))
    leaf = Version(ROOT).migrations("deployments")[-1]
    (broken / "deployments/migrations/9999_broken.py").write_text(
        "from django.db import migrations, models\n\n\ndef fail(*_):\n    raise RuntimeError('in the middle')\n\n\n"
        f"class Migration(migrations.Migration):\n    dependencies = [('deployments', '{leaf}')]\n    operations = [\n"
        "        migrations.AddField('worker', 'half', models.CharField(max_length=10, default='')),\n"
        "        migrations.RunPython(fail),\n    ]\n"
    )
    tried = Version(broken).manage("migrate", "--skip-checks", "--verbosity", "0", env=env)
    assert tried.returncode != 0
    assert "RuntimeError: in the middle" in tried.stderr
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "deployments_worker")
    assert "half" not in [column.name for column in columns]


def test_r38_tests_of_the_version_before_pass_on_the_new_tables(old: Version, migrated: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("The other one makes its own server.")
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": ""}
    name = "import django; django.setup(); from tests.migrated import name_of_migrations as name; print(name())"
    said = subprocess.run(
        [sys.executable, "-c", name], cwd=old.folder, env=env, capture_output=True, text=True, check=True
    )
    kept = old.folder / ".pytest_cache/d/migrated" / f"{said.stdout.split()[-1]}.sqlite3"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(migrated, kept)
    before = kept.stat().st_mtime_ns
    _run_old_tests(old, env, "-m", "not browser")
    assert kept.stat().st_mtime_ns == before, "it has made tables of its own"


@pytest.mark.both_databases
def test_r38_the_same_on_postgresql(old: Version) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has a test of its own.")
    with tempfile.TemporaryDirectory(prefix="pg38-") as folder:
        server = PostgreSQL(Path(folder))
        try:
            url = server.start()
            # every database that is made there begins as a copy of this one
            env = {**os.environ, "VAR": str(settings.VAR), "DATABASE_URL": url.replace("/postgres?", "/template1?")}
            Version(ROOT).migrate(env)
            _run_old_tests(old, {**os.environ, "TEST_DATABASE_URL": url}, "-m", "both_databases")
        finally:
            server.stop()


def _run_old_tests(old: Version, env: dict[str, str], *words: str) -> None:
    there = [path for path in OLD_TESTS if (old.folder / path).exists()]
    given = {name: value for name, value in env.items() if name not in {"TEST_VAR", "VAR", "PYTEST_CURRENT_TEST"}}
    ran = old.run("-m", "pytest", "--quiet", "--no-header", *words, *there, env=given)
    last = ran.stdout.strip().rpartition("\n")[2]
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"
    print(f"R38: tests of {old.commit[:7]} on the new tables of {connection.vendor}: {last}")
