"""What the page of a deploy reads: its phases, its hosts, its troubles."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments.models import Deploy, Kind
from deployments.page_queries.deploy import find_deploy, read_deploy
from deployments.page_queries.troubles import build_troubles
from deployments.states import DeployStatus, RunStatus
from tests import builders

S, R = DeployStatus, RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def queries_of(read: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as caught:
        read()
    return len(caught)


def fail(deploy: Deploy, error: str, *, kind: str = "step", **fields: Any) -> None:
    builders.make_run(deploy=deploy, status=R.FAILED, error_kind=kind, error=error, step="smoke", **fields)


class TestDeploy:
    def test_hosts_stand_in_their_zones_and_regions(self) -> None:
        deploy = builders.make_deploy(status=S.RUNNING)
        for region, zone, name in [("us-east", "a", "u1"), ("eu-west", "b", "e2"), ("eu-west", "a", "e1")]:
            host = builders.make_host(name=name, zone=builders.make_zone(region=region, zone=zone))
            builders.make_run(deploy=deploy, host=host)
        page = read_deploy(find_deploy(deploy.pk))
        grid = [(r.name, [(z.name, [s.run.host_name for s in z.squares]) for z in r.zones]) for r in page.regions]
        assert grid == [("eu-west", [("a", ["e1"]), ("b", ["e2"])]), ("us-east", [("a", ["u1"])])]

    def test_the_phases_count_what_failed_where_it_failed(self) -> None:
        deploy = builders.make_deploy(status=S.PARTIAL)
        builders.make_run(deploy=deploy, revision=deploy.revision)
        fail(deploy, "late", switched_at=timezone.now())
        fail(deploy, "early")
        prepare, switch, finish = read_deploy(find_deploy(deploy.pk)).phases
        assert (prepare.done, prepare.failed, prepare.state) == (2, 1, "failed")
        assert (switch.done, switch.failed) == (2, 0)
        assert (finish.done, finish.failed, finish.state) == (1, 1, "failed")

    def test_one_failure_on_many_hosts_is_told_once(self) -> None:
        deploy = builders.make_deploy(status=S.FAILED)
        for name in ("e1", "e2"):
            left = "What it served before is still current."
            error = f'{name}: step "smoke" ended with exit code 3. {left}'
            fail(deploy, error, host=builders.make_host(name=name))
        (trouble,) = build_troubles(deploy, list(deploy.runs.all()))
        assert (trouble.title, trouble.hosts) == ("Failed at smoke on 2 hosts", ["e1", "e2"])
        assert trouble.happened == 'Step "smoke" ended with exit code 3.'
        assert trouble.means == "This host was not switched: it serves what it served before."
        assert "retry" in trouble.todo

    def test_a_host_that_is_switched_is_said_to_be(self) -> None:
        deploy = builders.make_deploy(status=S.FAILED)
        fail(deploy, "e1: it answers 500. The new release 0123456 is current there.", revision=deploy.revision)
        (trouble,) = build_troubles(deploy, list(deploy.runs.all()))
        assert trouble.happened.endswith("it answers 500.")
        assert "switched to the new release" in trouble.means

    def test_a_host_without_an_answer_is_not_said_to_have_failed(self) -> None:
        deploy = builders.make_deploy(status=S.FAILED)
        host = builders.make_host(name="e1")
        builders.make_run(deploy=deploy, host=host, status=R.UNREACHABLE, error_kind="unreachable", error="No route.")
        (trouble,) = build_troubles(deploy, list(deploy.runs.all()))
        assert trouble.title == "No answer from e1"

    def test_it_knows_what_it_replaces_and_how_long_that_takes(self) -> None:
        target = builders.make_target()
        now = timezone.now()
        for revision, seconds in (("a" * 40, 10), ("b" * 40, 30), ("c" * 40, 20)):
            at = now - timedelta(seconds=seconds)
            builders.make_deploy(target=target, revision=revision, started_at=at, finished_at=now)
        builders.make_deploy(target=target, status=S.FAILED, revision="d" * 40)
        running = builders.make_deploy(target=target, status=S.RUNNING)
        page = read_deploy(find_deploy(running.pk))
        assert page.replaces is not None
        assert (page.replaces.revision, page.expected) == ("c" * 40, timedelta(seconds=20))

    def test_a_deploy_that_waits_says_for_what(self) -> None:
        target = builders.make_target(hosts=1)
        first = builders.make_deploy(target=target, status=S.RUNNING)
        second = builders.make_deploy(target=target, status=S.WAITING)
        third = builders.make_deploy(target=target, status=S.WAITING)
        sentence = read_deploy(find_deploy(third.pk)).sentence
        assert f"#{first.number} is running." in sentence
        assert f"#{second.number} before it" in sentence

    def test_a_partial_deploy_is_resolved_by_its_retry(self) -> None:
        target = builders.make_target()
        partial = builders.make_deploy(target=target, status=S.PARTIAL)
        retry = builders.make_deploy(target=target, kind=Kind.RETRY, of=partial)
        assert read_deploy(find_deploy(partial.pk)).answers == [retry]

    def test_the_queries_do_not_grow_with_the_history(self) -> None:
        target = builders.make_target(hosts=1)
        deploy = builders.make_deploy(target=target)
        builders.make_run(deploy=deploy)
        few = queries_of(lambda: read_deploy(find_deploy(deploy.pk)))
        for _ in range(30):
            builders.make_run(deploy=builders.make_deploy(target=target, of=deploy))
        # only the newest looks what a rollback would go back to
        assert queries_of(lambda: read_deploy(find_deploy(deploy.pk))) == few - 1
        last = Deploy.objects.order_by("-pk")[0]
        assert queries_of(lambda: read_deploy(find_deploy(last.pk))) == few
