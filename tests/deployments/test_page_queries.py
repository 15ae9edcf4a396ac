"""What the pages read: words, marks, and a number of queries that the history does not change."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deployments.distances import key_of
from deployments.models import Deploy, HeldRelease, Standing, Star
from deployments.page_queries.commits import read_preview
from deployments.page_queries.home import SHOWN_ROWS, open_deploys_of, read_home, read_rows
from deployments.page_queries.hosts_now import NAMED
from deployments.page_queries.matrix import Gap
from deployments.page_queries.target import PAGE, find_target, read_target
from deployments.page_queries.words import mark_of_deploy, mark_of_run, tell_deploy, tell_hosts
from deployments.states import DeployStatus, RunStatus
from environments.models import Application, Target, User
from tests import builders

S, R = DeployStatus, RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def queries_of(read: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as caught:
        read()
    return len(caught)


def somebody() -> User:
    return User.objects.first() or builders.make_user()


def make_shop() -> tuple[Target, Target]:
    """One application in staging (2 hosts) and production (3 hosts)."""
    shop = builders.make_application(name="shop")
    staging = builders.make_environment(name="staging", position=1)
    production = builders.make_environment(name="production", position=2)
    return (
        builders.make_target(application=shop, environment=staging, hosts=2),
        builders.make_target(application=shop, environment=production, hosts=3),
    )


def fail(deploy: Deploy, error: str, *, kind: str = "step", **fields: Any) -> None:
    builders.make_run(deploy=deploy, status=R.FAILED, error_kind=kind, error=error, step="smoke", **fields)


class TestWords:
    def test_every_state_has_a_mark_and_words(self) -> None:
        assert {mark_of_deploy(status).words for status in S.values}
        assert all(tell_deploy(status) for status in S.values)
        assert len({mark_of_run(status).words for status in R.values}) == len(R.values)

    @pytest.mark.parametrize(
        ("counts", "sentence"),
        [
            ({R.LIVE: 12}, "All 12 hosts are live."),
            ({R.LIVE: 1}, "The only host is live."),
            ({R.LIVE: 7, R.FAILED: 1}, "7 of 8 hosts live, 1 failed."),
            ({R.PREPARING: 2, R.PREPARED: 4}, "0 of 6 hosts live, 2 preparing, 4 prepared."),
            ({}, "No hosts yet."),
        ],
    )
    def test_it_tells_hosts_in_a_sentence_with_numbers(self, counts: dict[str, int], sentence: str) -> None:
        assert tell_hosts(Counter(counts)) == sentence


class TestHome:
    def test_it_shows_what_is_live_and_who_put_it_there(self) -> None:
        staging, production = make_shop()
        ada = builders.make_user(username="ada", first_name="Ada", last_name="Nwosu")
        builders.make_deploy(target=staging, by=ada, revision="a" * 40)
        home = read_home(user=ada)
        first, second = home.matrix.rows[0].cells
        assert (first.revision, first.ref, first.who) == ("a" * 40, "main", "Ada Nwosu")
        assert (second.revision, second.mark) == ("", None)
        assert [environment.name for environment in home.environments] == ["staging", "production"]
        assert production.slug == "shop/production"

    def test_it_joins_cells_with_the_same_revision(self) -> None:
        staging, production = make_shop()
        for target in (staging, production):
            builders.make_deploy(target=target)
        row = read_home(user=builders.make_user()).matrix.rows[0]
        assert [cell.gap for cell in row.cells] == [None, Gap(same=True)]
        assert row.calm

    def test_a_partial_deploy_is_an_alarm_with_numbers(self) -> None:
        _, production = make_shop()
        deploy = builders.make_deploy(target=production, status=S.PARTIAL)
        builders.make_run(deploy=deploy)
        fail(deploy, "no")
        matrix = read_home(user=builders.make_user()).matrix
        cell = matrix.rows[0].cells[1]
        assert (cell.alarm, cell.words, matrix.attention) == (True, "1 of 2 hosts", 1)

    def test_a_running_deploy_shows_where_it_goes_and_how_far_it_is(self) -> None:
        staging, _ = make_shop()
        builders.make_deploy(target=staging, revision="a" * 40)
        running = builders.make_deploy(target=staging, status=S.RUNNING, revision="b" * 40)
        builders.make_run(deploy=running)
        builders.make_run(deploy=running, status=R.PREPARED)
        waiting = builders.make_deploy(target=staging, status=S.WAITING)
        home = read_home(user=builders.make_user())
        cell = home.matrix.rows[0].cells[0]
        assert (cell.revision, cell.going_to, cell.words) == ("a" * 40, "b" * 40, "1 of 2")
        assert [item.deploy for item in home.now] == [running, waiting]
        assert home.now[1].sentence == f"For #{running.number} to end."
        assert home.headline == "One deploy under way, one waits."

    def test_ones_own_applications_come_first(self) -> None:
        ada = builders.make_user()
        for name in ("alpha", "beta", "gamma"):
            target = builders.make_target(application=builders.make_application(name=name))
            builders.make_deploy(target=target, by=ada if name == "beta" else None)
        assert [row.application for row in read_home(user=ada).matrix.rows] == ["beta", "alpha", "gamma"]

    def test_a_star_makes_an_application_ones_own(self) -> None:
        ada = builders.make_user()
        for name in ("alpha", "beta"):
            target = builders.make_target(application=builders.make_application(name=name))
        Star.objects.create(person=ada, target=target)
        assert [(row.application, row.starred) for row in read_home(user=ada).matrix.rows] == [
            ("beta", True),
            ("alpha", False),
        ]

    def test_it_tells_commits_between_environments_when_they_were_counted_for_these_revisions(self) -> None:
        staging, production = make_shop()
        builders.make_deploy(target=staging, revision="a" * 40)
        builders.make_deploy(target=production, revision="b" * 40)
        counted = Standing.objects.filter(target=production)
        counted.update(behind=4, ahead=2, compared=key_of("b" * 40, "a" * 40))
        gap = read_home(user=builders.make_user()).matrix.rows[0].cells[1].gap
        assert gap == Gap(behind=4, ahead=2)
        assert (gap.figure, gap.words) == ("4", "4 behind, 2 ahead")
        counted.update(compared=key_of("b" * 40, "c" * 40))
        assert read_home(user=builders.make_user()).matrix.rows[0].cells[1].gap is None

    def test_a_line_passes_through_an_environment_that_an_application_lacks(self) -> None:
        shop = builders.make_application(name="shop")
        for position, name in enumerate(("dev", "staging", "production", "later")):
            environment = builders.make_environment(name=name, position=position)
            if name in ("dev", "production"):
                builders.make_deploy(target=builders.make_target(application=shop, environment=environment))
        cells = read_home(user=builders.make_user()).matrix.rows[0].cells
        assert [(cell.void, cell.passes) for cell in cells] == [
            (False, False),
            (True, True),
            (False, False),
            (True, False),
        ]
        assert cells[2].gap == Gap(same=True)

    def test_rows_come_in_parts_and_by_what_one_looks_for(self) -> None:
        ada = builders.make_user()
        staging = builders.make_environment(name="staging")
        for n in range(SHOWN_ROWS + 3):
            application = builders.make_application(name=f"app-{n:02}")
            target = builders.make_target(application=application, environment=staging)
        builders.make_deploy(target=target, status=S.FAILED, by=ada)
        first = read_home(user=ada).matrix
        assert (len(first.rows), first.found, first.more, first.mine, first.attention) == (40, 43, True, 1, 1)
        rest = read_rows(user=ada, q="", which="all", start=first.shown)
        assert (len(rest.rows), rest.more) == (3, False)
        names = {row.application for row in [*first.rows, *rest.rows]}
        assert len(names) == 43
        found = read_rows(user=ada, q="app 41", which="all", start=0)
        assert ([row.application for row in found.rows], found.found, found.all) == (["app-41"], 1, 43)
        assert [row.application for row in read_rows(user=ada, q="", which="mine", start=0).rows] == ["app-42"]
        assert [row.application for row in read_rows(user=ada, q="", which="attention", start=0).rows] == ["app-42"]

    def test_who_was_told_of_a_change_shares_what_was_read_since(self) -> None:
        staging, _ = make_shop()
        ada = builders.make_user()
        builders.make_deploy(target=staging, revision="d" * 40)
        moment = time.monotonic()
        read_home(user=ada, since=moment)
        shared = queries_of(lambda: read_home(user=ada, since=moment))
        assert shared == 3  # what is shown, and this person's own targets
        builders.make_deploy(target=staging, revision="e" * 40)
        assert read_home(user=ada, since=moment).matrix.rows[0].cells[0].revision == "d" * 40
        assert read_home(user=ada).matrix.rows[0].cells[0].revision == "e" * 40

    def test_the_queries_do_not_grow_with_the_history(self) -> None:
        staging, production = make_shop()
        ada = builders.make_user()
        for target in (staging, production):
            builders.make_deploy(target=target, by=ada)
            builders.make_deploy(target=target, by=ada, status=S.PARTIAL)
        builders.make_deploy(target=production, by=ada, status=S.RUNNING)
        few = queries_of(lambda: read_home(user=ada))
        for number in range(20):
            deploy = builders.make_deploy(target=staging, by=ada, status=S.PARTIAL if number % 2 else S.SUCCEEDED)
            builders.make_run(deploy=deploy)
        assert few <= 10  # and two for the session and its person
        assert queries_of(lambda: read_home(user=ada)) == few

    def test_open_deploys_are_found_by_their_index(self) -> None:
        if connection.vendor == "postgresql":  # which reads a table of one page as a whole, unless told not to
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
        plan = open_deploys_of().explain()
        if connection.vendor == "postgresql":  # which index it takes for an empty table is a matter of chance
            assert "Index Scan" in plan
            assert "Seq Scan" not in plan
        else:
            assert "deploy_by_status" in plan
            assert "SCAN deployments_deploy" not in plan


class TestTarget:
    def test_the_history_comes_a_page_at_a_time(self) -> None:
        target, _ = make_shop()
        for _ in range(PAGE + 3):
            builders.make_deploy(target=target)
        page = read_target(target=target, user=somebody())
        assert [past.deploy.number for past in page.history][:2] == [PAGE + 3, PAGE + 2]
        assert page.older == 4
        older = read_target(target=target, before=page.older, user=somebody())
        assert [past.deploy.number for past in older.history] == [3, 2, 1]
        assert older.older is None

    def test_a_release_that_hosts_hold_can_be_rolled_back_to(self) -> None:
        target, _ = make_shop()
        first, second = (builders.make_deploy(target=target) for _ in range(2))
        for membership in target.environment.memberships.all():
            placement = builders.make_placement(host=membership.host, target=target, current=second.release)
            for deploy in (first, second):
                assert deploy.release
                HeldRelease.objects.create(placement=placement, release=deploy.release)
        found = find_target(application="shop", environment="staging")
        actions = {past.deploy.number: past.action for past in read_target(target=found, user=somebody()).history}
        assert actions == {1: "rollback", 2: "redeploy"}
        HeldRelease.objects.filter(release=first.release).delete()
        actions = {past.deploy.number: past.action for past in read_target(target=found, user=somebody()).history}
        assert actions == {1: "redeploy", 2: "redeploy"}

    def test_a_bad_release_is_no_choice_for_a_rollback(self) -> None:
        target = builders.make_target(hosts=1)
        first, second = (builders.make_deploy(target=target) for _ in range(2))
        assert first.release
        first.release.bad = True
        first.release.save()
        membership = target.environment.memberships.get()
        placement = builders.make_placement(host=membership.host, target=target, current=second.release)
        HeldRelease.objects.create(placement=placement, release=first.release)
        found = find_target(application=target.application.name, environment=target.environment.name)
        assert [past.action for past in read_target(target=found, user=somebody()).history] == ["redeploy", "redeploy"]

    def test_a_host_that_runs_something_else_is_drift(self) -> None:
        target, _ = make_shop()
        old = builders.make_release(target=target, revision="c" * 40)
        live = builders.make_deploy(target=target)
        one, two = (membership.host for membership in target.environment.memberships.order_by("id"))
        builders.make_placement(host=one, target=target, current=live.release)
        builders.make_placement(host=two, target=target, current=old)
        page = read_target(target=find_target(application="shop", environment="staging"), user=somebody())
        assert (page.headline, page.drift) == ("on 1 of 2 hosts", 1)
        assert [host.mark.words for host in page.regions[0].hosts] == ["live", "differs"]

    def test_of_very_many_hosts_those_that_differ_are_named_and_all_are_drawn(self) -> None:
        target = builders.make_target(hosts=NAMED + 5)
        old = builders.make_release(target=target, revision="c" * 40)
        live = builders.make_deploy(target=target)
        for n, membership in enumerate(target.environment.memberships.order_by("host__name")):
            builders.make_placement(host=membership.host, target=target, current=old if n == 7 else live.release)
        page = read_target(
            target=find_target(application=target.application.name, environment=target.environment.name),
            user=somebody(),
        )
        region = page.regions[0]
        assert (region.number, region.sentence) == (45, "44 live, 1 differ")
        assert [host.mark.words for host in region.hosts] == ["differs"]
        assert {mark.shape: path.count("M") for mark, path in region.drawn} == {"h-live": 44, "h-drift": 1}

    def test_the_button_knows_what_blocks_it(self) -> None:
        target, _ = make_shop()
        running = builders.make_deploy(target=target, status=S.RUNNING)
        page = read_target(target=target, user=somebody())
        assert [blocker.text for blocker in page.blockers] == [f"#{running.number} is running."]
        assert page.history[0].action == ""

    def test_an_address_without_a_target_is_none(self) -> None:
        make_shop()
        with pytest.raises(Target.DoesNotExist):
            find_target(application="shop", environment="nowhere")

    def test_the_queries_do_not_grow_with_the_history(self) -> None:
        target, _ = make_shop()
        builders.make_deploy(target=target, status=S.PARTIAL)
        user = somebody()

        def read() -> int:
            return queries_of(
                lambda: read_target(target=find_target(application="shop", environment="staging"), user=user)
            )

        few = read()
        for _ in range(30):
            builders.make_run(deploy=builders.make_deploy(target=target, status=S.PARTIAL))
        assert read() == few


def test_a_preview_says_why_it_cannot_tell() -> None:
    application = Application(name="shop", repository="file:///etc")
    preview = read_preview(application=application, ref="main", live="")
    assert "REPOSITORY_ROOTS" in preview.error
