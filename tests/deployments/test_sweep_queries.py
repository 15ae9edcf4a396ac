"""What workers ask for every few seconds follows what is open, never the history: by the databases' own plans."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments import claims, drift, lifecycle, recipes, tasks
from deployments.models import Deploy, HostRun, Program, Standing, Worker
from deployments.runtime import Runtime
from deployments.states import DeployStatus, RunStatus
from environments.models import Target
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

GROWING = ("deployments_deploy", "deployments_hostrun", "deployments_program", "deployments_logchunk")
S, R = DeployStatus, RunStatus
OPEN = ((S.RUNNING, R.PREPARING), (S.CANCELLING, R.PREPARING), (S.WAITING, R.PENDING))


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    made = Runtime()
    monkeypatch.setattr(tasks, "_runtime", made)
    monkeypatch.setattr(Runtime, "do_here", lambda *_: None)
    yield made
    made.end()


def make_open(runtime: Runtime) -> list[Target]:
    """A target for each way of being open; two of their host runs are claimed, one by a worker that is gone."""
    gone = claims.register("", "celery@gone")
    Worker.objects.filter(pk=gone.pk).update(renewed_at=claims.now() - 100 * claims.LAPSE_SECONDS)
    targets = []
    for (status, run_status), worker in zip(OPEN, (runtime.worker, gone, None), strict=True):
        targets.append(builders.make_target(hosts=1))
        builders.make_step(target=targets[-1], phase="once")
        recipe = recipes.snapshot(targets[-1])
        deploy = builders.make_deploy(target=targets[-1], status=status, recipe=recipe)
        run = builders.make_run(deploy=deploy, status=run_status, claimed_by=worker, fence=1)
        Program.objects.create(run=run, phase="prepare", nonce="n")
    return targets


def make_past(targets: list[Target], deploys: int) -> None:
    host = builders.make_host()
    for target in targets:
        for _ in range(deploys):
            run = builders.make_run(deploy=builders.make_deploy(target=target), host=host)
            Program.objects.create(run=run, phase="prepare", nonce="n", result="ok")


def look(runtime: Runtime) -> None:
    """Once all that the threads of a worker do by themselves."""
    for pk in Deploy.objects.filter(status=S.RUNNING).values_list("pk", flat=True):
        with runtime.watching(pk):
            tasks.sweep()
    runtime._end_forgotten_claims()
    runtime._renew()
    drift.look_around(lambda target: False)


def statements(act: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as found:
        act()
    return [query["sql"] for query in found if query["sql"].split()[0] in ("SELECT", "UPDATE", "DELETE")]


def read_whole(statement: str) -> list[str]:
    """Where the database would go through all rows of a table that grows with the history."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # which reads a table of one page as a whole, unless told not to
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
            (answer,) = cursor.fetchone()
            found = nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])
            return [f"{node['Node Type']} on {node['Relation Name']}" for node in found if is_whole(node)]
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = [detail for *_, detail in cursor.fetchall()]
    names = {*GROWING, *re.findall(f'"(?:{"|".join(GROWING)})" ([UT][0-9]+)', statement)}
    return [line for line in plan if line.startswith("SCAN ") and line.split()[1] in names]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def is_whole(node: dict[str, Any]) -> bool:
    """An index without a condition is read whole too, but for one that holds open deploys alone."""
    if node.get("Relation Name") not in GROWING or node["Node Type"] not in (
        "Seq Scan",
        "Index Scan",
        "Index Only Scan",
    ):
        return False
    return "Index Cond" not in node and node.get("Index Name") != "one_active_deploy_per_target"


def test_every_statement_of_a_worker_at_rest_finds_its_rows_by_an_index(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    make_past(make_open(runtime), 3)
    asked = statements(lambda: look(runtime))
    touched = {table for table in GROWING for statement in asked if f'"{table}"' in statement}
    assert touched >= {"deployments_deploy", "deployments_hostrun", "deployments_program"}
    assert "could not be advanced" not in caplog.text
    assert {statement: lines for statement in asked if (lines := read_whole(statement))} == {}


def test_the_statements_of_a_worker_at_rest_do_not_grow_with_the_history(runtime: Runtime) -> None:
    targets = make_open(runtime)
    make_past(targets, 1)
    look(runtime)  # it buries, and looks around, once
    few = len(statements(lambda: look(runtime)))
    make_past(targets, 10)
    assert len(statements(lambda: look(runtime))) == few


def test_where_nothing_is_due_little_is_asked() -> None:
    for _ in range(3):
        builders.make_deploy(target=builders.make_target(drift_minutes=15))
    Standing.objects.update(looked_at=timezone.now())
    (looked,) = statements(drift.look_around)
    assert "environments_application" not in looked, "it reads whole targets to find that none is due"
    assert len(statements(lifecycle.look_after_locks)) <= 4, "is a lock, a reservation or one who waits there at all?"
    builders.make_lock(target=builders.make_target(), by=builders.make_user())
    assert [asked for asked in statements(lifecycle.look_after_locks) if " JOIN " in asked] == []
    Standing.objects.update(looked_at=None)
    assert len(statements(lambda: drift.look_around(lambda target: False))) == 2


def test_a_table_that_is_read_whole_is_noticed(runtime: Runtime) -> None:
    make_past(make_open(runtime), 1)
    anything = HostRun.objects.filter(step="x")
    for questions in (anything, Deploy.objects.filter(pk__in=anything.values("deploy"), ref="x")):
        (statement,) = statements(questions.first)
        assert read_whole(statement)
