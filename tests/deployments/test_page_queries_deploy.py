"""What the page of a deploy reads: its phases, its hosts, its troubles."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments.models import Deploy, HostRun, Kind
from deployments.page_queries.deploy import find_deploy, read_deploy
from deployments.page_queries.grid import LARGE_MOST, NAMED, SQUARES_MOST, build_grid
from deployments.page_queries.troubles import build_troubles
from deployments.states import DeployStatus, RunStatus
from environments.models import Region
from tests import builders

S, R = DeployStatus, RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def queries_of(read: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as caught:
        read()
    return len(caught)


def fail(deploy: Deploy, error: str, *, kind: str = "step", **fields: Any) -> None:
    builders.make_run(deploy=deploy, status=R.FAILED, error_kind=kind, error=error, step="smoke", **fields)


def many_runs(deploy: Deploy, count: int) -> None:
    """Without hosts of their own: half of them are live."""
    HostRun.objects.bulk_create(
        HostRun(deploy=deploy, host_name=f"host-{n:05}", zone=f"z{n % 3}", status=R.LIVE if n % 2 else R.PREPARING)
        for n in range(count)
    )


class TestManyHosts:
    def test_only_those_that_need_someone_have_a_square(self) -> None:
        deploy = builders.make_deploy(status=S.RUNNING)
        many_runs(deploy, SQUARES_MOST + 3)
        deploy.runs.filter(host_name="host-00004").update(status=R.FAILED, error="It broke.")
        (region,) = read_deploy(find_deploy(deploy.pk)).grid.regions
        assert [[square.run.host_name for square in zone.squares] for zone in region.zones] == [[], ["host-00004"], []]
        assert region.zones[0].rest.endswith(" preparing.")

    def test_the_queries_are_as_many_as_for_few(self) -> None:
        few, many = (builders.make_deploy(status=S.RUNNING) for _ in range(2))
        many_runs(few, 3)
        many_runs(many, SQUARES_MOST + 300)
        assert queries_of(lambda: read_deploy(few)) == queries_of(lambda: read_deploy(many))

    def test_a_region_that_no_worker_serves_is_told(self) -> None:
        deploy = builders.make_deploy(status=S.RUNNING)
        zone = builders.make_zone(region="eu-west")
        builders.make_run(deploy=deploy, host=builders.make_host(zone=zone), status=R.PENDING)
        Region.objects.filter(name="eu-west").update(queue="far")
        assert "No worker serves queue far." in read_deploy(find_deploy(deploy.pk)).sentence


class TestGrid:
    def grid(self, count: int) -> Any:
        runs = [HostRun(host_name=f"h{n}", region="eu", zone=f"z{n % 2}", status=R.LIVE) for n in range(count)]
        return build_grid(sorted(runs, key=lambda run: run.zone), "live")

    def test_few_hosts_stand_with_their_names(self) -> None:
        assert self.grid(NAMED).cell == 0

    @pytest.mark.parametrize(
        ("count", "cell"), [(NAMED + 1, 14), (LARGE_MOST, 14), (LARGE_MOST + 1, 8), (SQUARES_MOST, 8)]
    )
    def test_many_are_cells_which_do_not_overlap_and_lie_within_their_picture(self, count: int, cell: int) -> None:
        grid = self.grid(count)
        assert grid.cell == cell
        for zone in grid.regions[0].zones:
            places = {(square.x, square.y) for square in zone.squares}
            assert len(places) == len(zone.squares) >= count // 2
            assert max(x for x, _ in places) + cell <= grid.width
            assert max(y for _, y in places) + cell <= zone.height

    def test_of_very_many_none_is_drawn_that_needs_nobody(self) -> None:
        grid = self.grid(SQUARES_MOST + 1)
        assert (grid.cell, sum(len(zone.squares) for zone in grid.regions[0].zones)) == (0, 0)


class TestDeploy:
    def test_hosts_stand_in_their_zones_and_regions(self) -> None:
        deploy = builders.make_deploy(status=S.RUNNING)
        for region, zone, name in [("us-east", "a", "u1"), ("eu-west", "b", "e2"), ("eu-west", "a", "e1")]:
            host = builders.make_host(name=name, zone=builders.make_zone(region=region, zone=zone))
            builders.make_run(deploy=deploy, host=host)
        page = read_deploy(find_deploy(deploy.pk))
        grid = [(r.name, [(z.name, [s.run.host_name for s in z.squares]) for z in r.zones]) for r in page.grid.regions]
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
        assert page.replaces.revision == "c" * 40
        assert page.expected == (timedelta(seconds=20), timedelta(seconds=30))

    def test_a_success_goes_on_to_the_next_environment_that_does_not_serve_it(self) -> None:
        places = [builders.make_environment(position=position) for position in (3, 1, 2)]
        shop = builders.make_application()
        production, dev, staging = (builders.make_target(application=shop, environment=place) for place in places)
        deploy = builders.make_deploy(target=dev)
        assert read_deploy(find_deploy(deploy.pk)).goes_on == staging
        assert read_deploy(find_deploy(builders.make_deploy(target=production).pk)).goes_on is None
        builders.make_deploy(target=staging)
        assert read_deploy(find_deploy(deploy.pk)).goes_on is None
        failed = builders.make_deploy(target=dev, status=S.FAILED, revision="c" * 40)
        assert read_deploy(find_deploy(failed.pk)).goes_on is None

    def test_what_an_endpoint_has_shown_goes_to_its_target_next(self) -> None:
        staging = builders.make_target(environment=builders.make_environment(position=1))
        builders.make_target(application=staging.application, environment=builders.make_environment(position=2))
        endpoint = builders.make_endpoint(parent=staging, name="feature-x")
        deploy = builders.make_deploy(target=endpoint.target)
        assert read_deploy(find_deploy(deploy.pk)).goes_on == staging

    def test_waves_stand_on_the_track(self) -> None:
        plan = {"waves": [{"hosts": 1}, {"hosts": 2}, {"hosts": 3}]}
        deploy = builders.make_deploy(status=S.RUNNING, plan=plan)
        for wave, status in (
            (0, R.LIVE),
            (1, R.SWITCHED),
            (1, R.LIVE),
            (2, R.PREPARED),
            (2, R.PENDING),
            (2, R.PENDING),
        ):
            builders.make_run(deploy=deploy, status=status, wave=wave)
        switch = read_deploy(find_deploy(deploy.pk)).phases[1]
        assert (list(switch.waves), switch.note) == ([1, 3], "wave 2 of 3")
        together = builders.make_deploy(status=S.RUNNING, plan={"waves": [{"hosts": 1}]})
        builders.make_run(deploy=together)
        assert read_deploy(find_deploy(together.pk)).phases[1].waves == []

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
