"""The pages of what waits, of environments, hosts and activity: what they say, and at what price."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from deployments.activity_pages import harmless
from deployments.models import Drift, Standing
from deployments.page_queries import activity
from deployments.page_queries import environments as environments_query
from deployments.page_queries.activity import Wanted, WrongFilter, read_activity, read_wanted
from deployments.page_queries.environments import read_environment, read_environments
from deployments.page_queries.host import find_host, read_host
from deployments.page_queries.hosts import PAGE, Filter, read_hosts
from deployments.page_queries.waiting import count_waiting, read_waiting
from deployments.states import DeployStatus, RunStatus
from environments import locks, setting_aside
from environments.models import Aside, Host, Role, Target, User
from environments.ssh import authorities
from notifications.events import record
from notifications.models import Event
from tests import builders
from tests.deployments.shop_pages import sign_in, text_of

S, R = DeployStatus, RunStatus
pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", first_name="Ada", last_name="Marsh", role=Role.ADMINISTRATOR)


@pytest.fixture
def target() -> Target:
    shop = builders.make_application(name="shop")
    return builders.make_target(application=shop, environment=builders.make_environment(name="staging"), hosts=3)


def add_history(target: Target, ada: User, number: int) -> None:
    for _ in range(number):
        deploy = builders.make_deploy(target=target, by=ada)
        for member in target.environment.memberships.select_related("host"):
            builders.make_run(deploy=deploy, host=member.host)
            record("host.drained", "ada", host=member.host.name, reason="disk")
        record("deploy.succeeded", "ada", application="shop", environment="staging", deploy=deploy.pk)


ADDRESSES = [
    *(
        "/waiting",
        "/environments",
        "/environments/staging",
        "/hosts",
        "HOST",
        "/activity",
        "/activity?application=shop",
    ),
    *("/settings", "/settings/people", "/settings/tokens", "/settings/keys", "/settings/environments"),
    *("/settings/regions", "/settings/steps", "/settings/teams", "/settings/permissions"),
]


def test_pages_cost_a_fixed_number_of_queries(target: Target, ada: User) -> None:
    host = target.environment.memberships.select_related("host").order_by("id")[0].host
    release = builders.make_release(target=target)
    builders.make_placement(host=host, target=target, current=release, drift=Drift.BEHIND)
    client, counts = sign_in(ada), list[dict[str, int]]()
    for history in (2, 20):
        add_history(target, ada, history)
        builders.make_deploy(target=target, status=S.WAITING, by=ada)
        counts.append({})
        for path in ADDRESSES:
            authorities.forget()  # which are asked of at most every two seconds
            with CaptureQueriesContext(connection) as caught:
                assert client.get(reverse("host", args=[host.name]) if path == "HOST" else path).status_code == 200
            # PostgreSQL is asked for its clock too, which reads nothing
            asked = [query["sql"] for query in caught]
            counts[-1][path] = len([sql for sql in asked if "clock_timestamp" not in sql or ' FROM "' in sql])
    assert counts[0] == counts[1]
    assert {path: count for path, count in counts[0].items() if count > 15} == {}


def test_an_environment_that_is_locked_and_full_costs_no_more(
    target: Target, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta", "zeta"):
        builders.make_target(application=builders.make_application(name=name), environment=target.environment)
    lock = builders.make_lock(target=target, by=builders.make_user())
    locks.ask(lock, by=ada, text="Are you done?")
    monkeypatch.setattr(environments_query, "PAGE", 2)
    client, address = sign_in(ada), reverse("environment", args=[target.environment.name])
    for more in ("", "?after=beta", "?q=a"):
        with CaptureQueriesContext(connection) as caught:
            assert client.get(address + more).status_code == 200
        assert len(caught) <= 15
    read = partial(read_environment, target.environment)
    totals = [read(after=after, q=q).total for after in ("", "beta", "zeta") for q in ("", "eta", "nothing")]
    assert totals == [4, 2, 0] * 3


class TestWaiting:
    def test_it_says_what_would_stand_there(self, ada: User) -> None:
        page = read_waiting()
        assert (page.empty, page.headline) == (True, "Nothing waits.")
        assert "Every deploy can go at once" in text_of(sign_in(ada).get("/waiting").content)

    def test_targets_without_a_host_that_takes_part_are_stuck(self, target: Target, ada: User) -> None:
        places = {name: builders.make_environment(name=name) for name in ("empty", "half", "tired")}
        for name, place in places.items():
            builders.make_target(application=target.application, environment=place)
            hosts = [builders.make_host(environment=place) for _ in range(2 if name != "empty" else 0)]
            aside = hosts if name == "tired" else hosts[:1]
            Host.objects.filter(pk__in=[host.pk for host in aside]).update(aside=Aside.QUARANTINED)
        Target.objects.filter(pk=target.pk).update(left_at=timezone.now())
        told = {stuck.target.environment.name: stuck.why for stuck in read_waiting().stuck}
        assert set(told) == {"empty", "tired", target.environment.name}
        assert told["empty"] == "empty has no hosts yet. Add one."
        assert told["tired"] == "Every host of tired is set aside or only observed. Take one back."

    def test_each_says_whose_end_it_waits_for(self, target: Target, ada: User) -> None:
        running = builders.make_deploy(target=target, status=S.RUNNING, by=ada)
        second = builders.make_deploy(target=target, status=S.WAITING, by=ada)
        back = builders.make_deploy(target=target, status=S.WAITING, by=ada, kind="rollback")
        (line,) = read_waiting().lines
        assert line.running == running
        # a rollback goes first, as lifecycle.next_waiting has it
        no_worker = "No worker runs that could start it. Start one; what waits goes on by itself."
        assert [(item.place, item.deploy, [why.text for why in item.whys]) for item in line.items] == [
            (1, back, ["For #1 of Ada Marsh to end.", no_worker]),
            (2, second, ["For #1 of Ada Marsh to end.", "For #3 of Ada Marsh to end.", no_worker]),
        ]
        assert read_waiting().headline == "Two deploys wait."
        assert count_waiting() == 2

    def test_a_held_one_says_when_it_goes_live(self, target: Target, ada: User) -> None:
        at = timezone.now() + timedelta(hours=1)
        builders.make_deploy(target=target, status=S.RUNNING, held=True, prepared_at=timezone.now(), flip_at=at, by=ada)
        (line,) = read_waiting().lines
        (item,) = line.items
        assert (item.place, item.until, item.flips) == (0, at, True)
        assert [why.text for why in item.whys] == ["It is prepared, and goes live by itself."]
        assert read_waiting().headline == "One is held before it goes live."

    def test_targets_that_nothing_can_go_to_and_unclear_ends_are_for_someone(self, target: Target, ada: User) -> None:
        builders.make_target(application=target.application)  # its environment has no hosts
        left = builders.make_target(hosts=1, left_at=timezone.now())
        unclear = builders.make_deploy(target=target, status=S.NEEDS_ATTENTION, reason="Nobody knows.", by=ada)
        told = {item.target.pk: item.why for item in read_waiting().stuck}
        assert len(told) == 3
        assert told[unclear.target_id] == "Nobody knows."
        assert "left to another tool" in told[left.pk]

    def test_a_click_cancels_and_comes_back(self, target: Target, ada: User) -> None:
        builders.make_deploy(target=target, status=S.RUNNING)
        waiting = builders.make_deploy(target=target, status=S.WAITING, by=ada)
        answered = sign_in(ada).post(reverse("cancel", args=[waiting.pk]), {"back": "waiting"})
        assert answered.headers["Location"] == "/waiting"
        waiting.refresh_from_db()
        assert waiting.status == S.CANCELLED

    def test_a_viewer_sees_no_buttons(self, target: Target) -> None:
        builders.make_deploy(target=target, status=S.RUNNING)
        builders.make_deploy(target=target, status=S.WAITING)
        vera = builders.make_user(role=Role.VIEWER)
        assert b"formaction" not in sign_in(vera).get("/waiting").content


class TestHosts:
    def make(self, target: Target) -> list[Any]:
        deploy = builders.make_deploy(target=target)
        hosts = [member.host for member in target.environment.memberships.select_related("host").order_by("id")]
        now = timezone.now()
        for host in hosts:
            builders.make_placement(host=host, target=target, current=deploy.release, seen_at=now)
        Standing.objects.update(looked_at=now)
        Host.objects.update(asked_at=now, heard_at=now)
        return hosts

    def test_each_host_is_in_the_state_that_matters_most(self, target: Target, ada: User) -> None:
        first, second, third = self.make(target)
        assert read_hosts(Filter()).headline == "3 hosts, all as intended."
        first.placements.update(drift=Drift.OUTSIDE)
        second.placements.update(drift=Drift.BEHIND)
        Host.objects.filter(pk=second.pk).update(heard_at=timezone.now() - timedelta(hours=1))
        setting_aside.set_aside(third, how=Aside.QUARANTINED, why="smoke", by=ada)
        page = read_hosts(Filter())
        words = {square.name: square.mark.words for region in page.regions for square in region.squares}
        assert words == {
            first.name: "switched from outside",
            second.name: "did not answer",
            third.name: "quarantined",
        }
        assert page.headline == "3 hosts, 1 runs something else than intended, 1 did not answer, 1 set aside."
        assert page.regions[0].trouble == "1 did not answer, 1 quarantined, 1 switched from outside"

    def test_the_list_is_narrowed_and_paged(self, target: Target, ada: User) -> None:
        self.make(target)[0].placements.update(drift=Drift.BROKEN)
        for number in range(PAGE + 2):
            builders.make_host(name=f"far-{number:03}", zone=builders.make_zone(region="asia"))
        assert [len(read_hosts(Filter()).rows), read_hosts(Filter()).after] == [PAGE, "far-049"]
        rest = read_hosts(Filter(after="far-049"))
        assert (len(rest.rows), rest.after) == (5, "")
        counts = {
            "q": read_hosts(Filter(q="FAR-05")).found,
            "region": read_hosts(Filter(region="asia")).found,
            "environment": read_hosts(Filter(environment="staging")).found,
            "differing": read_hosts(Filter(state="differing")).found,
            "empty": read_hosts(Filter(state="empty")).found,
        }
        assert counts == {"q": 2, "region": PAGE + 2, "environment": 3, "differing": 1, "empty": PAGE + 2}

    @pytest.mark.parametrize("query", ["state=odd", "region=../x", "environment=%00", "after=A"])
    def test_a_filter_that_is_none_is_a_bad_request(self, query: str, target: Target, ada: User) -> None:
        assert sign_in(ada).get(f"/hosts?{query}").status_code == 400

    def test_an_administrator_says_where_one_stands(self, target: Target, ada: User) -> None:
        host = Host.objects.order_by("name")[0]
        address, zone = reverse("host", args=[host.name]), builders.make_zone(region="asia", zone="asia-b")
        client = sign_in(ada)
        assert 'value="asia/asia-b"' in client.get(address).content.decode()
        said = client.post(reverse("place-host", args=[host.name]), {"zone": "asia/asia-b"}, follow=True)
        assert "stands in asia, zone asia-b" in text_of(said.content)
        assert 'value="asia/asia-b" selected' in said.content.decode()
        assert Host.objects.get(pk=host.pk).zone == zone
        for wrong in ("asia/b", "asia", "nowhere/asia-b"):
            assert client.post(reverse("place-host", args=[host.name]), {"zone": wrong}).status_code == 400
        client.post(reverse("place-host", args=[host.name]), {"zone": ""})
        assert Host.objects.get(pk=host.pk).zone is None
        viewer = sign_in(builders.make_user(role=Role.VIEWER))
        assert "/place" not in viewer.get(address).content.decode()

    def test_a_host_tells_what_it_runs_and_what_it_should(self, target: Target, ada: User) -> None:
        host = self.make(target)[0]
        host.placements.update(drift=Drift.OUTSIDE, seen="hotfix")
        (place,) = read_host(find_host(host.name)).places
        assert (place.words, place.release, place.revision) == ("switched from outside", "hotfix", "")
        assert (place.intended, place.converges) == (builders.REVISION, True)
        setting_aside.set_aside(host, how=Aside.DRAINED, why="disk", by=ada)
        (place,) = read_host(find_host(host.name)).places
        assert not place.converges  # no deploy goes there
        text = text_of(sign_in(ada).get(reverse("host", args=[host.name])).content)
        assert "Drained by Ada Marsh" in text
        assert "Ada Marsh drained" not in text  # its events name the user
        assert "ada drained" in text

    def test_asking_says_that_it_did_not_answer(self, target: Target, ada: User) -> None:
        host = self.make(target)[0]
        Host.objects.update(heard_at=None)
        answered = sign_in(ada).post(reverse("ask-host", args=[host.name]), follow=True)
        assert f"{host.name} did not answer." in text_of(answered.content)
        asked_at = host.asked_at
        host.refresh_from_db()
        assert (host.asked_at != asked_at, host.heard_at) == (True, None)

    def test_an_environment_is_asked_by_its_workers(self, target: Target, ada: User) -> None:
        self.make(target)
        answered = sign_in(ada).post(reverse("ask-environment", args=["staging"]), follow=True)
        assert "Workers ask the hosts of 1 target now" in text_of(answered.content)
        assert Standing.objects.get(target=target).looked_at is None

    def test_draining_by_a_click_needs_a_reason(self, target: Target, ada: User) -> None:
        host, client = self.make(target)[0], sign_in(ada)
        address = reverse("set-aside", args=[host.name])
        assert "others will ask" in text_of(client.post(address, {"how": "drained"}, follow=True).content)
        client.post(address, {"how": "drained", "why": "disk"})
        host.refresh_from_db()
        assert host.aside == "drained"
        assert client.post(address, {"how": "painted", "why": "x"}).status_code == 400
        client.post(reverse("take-back", args=[host.name]))
        host.refresh_from_db()
        assert host.aside == ""

    def test_a_key_is_distrusted_by_an_administrator(self, target: Target, ada: User) -> None:
        host = builders.make_host(name="web", key=builders.PUBLIC_KEY)
        key = host.keys.get()
        sign_in(ada).post(reverse("distrust-key", args=["web", key.pk]))
        assert not host.keys.exists()
        assert Event.objects.get(kind="host.key_distrusted").host == "web"


class TestEnvironments:
    def test_it_counts_what_is_there(self, target: Target, ada: User) -> None:
        builders.make_deploy(target=target)
        builders.make_deploy(target=target, status=S.RUNNING)
        builders.make_deploy(target=target, status=S.WAITING)
        builders.make_environment(name="empty", position=9)
        first, second = read_environments().places
        assert (first.targets, first.live, first.hosts, first.running, first.waiting) == (1, 1, 3, 1, 1)
        assert (second.targets, second.hosts, second.trouble) == (0, 0, "")

    def test_one_shows_its_targets_and_where_its_hosts_come_from(self, target: Target) -> None:
        deploy = builders.make_deploy(target=target)
        host = target.environment.memberships.select_related("host")[0].host
        builders.make_placement(host=host, target=target, current=deploy.release, drift=Drift.BEHIND)
        page = read_environment(target.environment)
        assert [(line.target, line.live, line.drift) for line in page.targets] == [(target, deploy, 1)]
        assert [(source.name, source.hosts) for source in page.sources] == [("static", 3)]
        assert page.sentence == "3 hosts, 1 behind"


class TestActivity:
    def fill(self) -> None:
        record("deploy.succeeded", "ada", application="shop", environment="staging", number=1)
        record("deploy.failed", "ben", application="shop", environment="production", number=2)
        record("host.drained", "ada", host="web-1", reason="disk")
        record("host_run.claimed", host="web-1")
        record("signed_in", "ada")

    @pytest.mark.parametrize(
        ("wanted", "kinds"),
        [
            (Wanted(), ["signed_in", "host.drained", "deploy.failed", "deploy.succeeded"]),
            (Wanted(person="ada"), ["signed_in", "host.drained", "deploy.succeeded"]),
            (Wanted(person="deployer", what="host_run.claimed"), ["host_run.claimed"]),
            (Wanted(application="shop"), ["deploy.failed", "deploy.succeeded"]),
            (Wanted(environment="production"), ["deploy.failed"]),
            (Wanted(what="deploys"), ["deploy.failed", "deploy.succeeded"]),
            (Wanted(what="people", person="ada"), ["signed_in"]),
            (Wanted(host="web-1"), ["host.drained"]),
            (Wanted(when="hour", what="hosts"), ["host.drained"]),
            (Wanted(until="2020-01-01"), []),
        ],
    )
    def test_it_is_narrowed(self, wanted: Wanted, kinds: list[str]) -> None:
        self.fill()
        page = read_activity(wanted, now=timezone.now())
        assert [row.event.kind for day in page.days for row in day.rows] == kinds

    def test_times_are_found_by_their_index(self) -> None:
        self.fill()
        Event.objects.filter(kind="deploy.succeeded").update(at=timezone.now() - timedelta(days=40))
        kinds = [
            row.event.kind for day in read_activity(Wanted(when="month"), now=timezone.now()).days for row in day.rows
        ]
        assert "deploy.succeeded" not in kinds
        assert len(kinds) == 3

    def test_it_comes_a_page_at_a_time_and_none_is_lost_or_doubled(self) -> None:
        for _ in range(activity.PAGE * 2 + 3):
            record("signed_in", "ada")
        seen: list[int] = []
        before = ""
        while True:
            page = read_activity(Wanted(before=before), now=timezone.now())
            seen += [row.event.pk for day in page.days for row in day.rows]
            record("signed_in", "eve")  # what comes meanwhile shifts nothing
            if not (before := page.before):
                break
        assert len(seen) == len(set(seen)) == activity.PAGE * 2 + 3

    @pytest.mark.parametrize(
        "values",
        [
            {"odd": ["1"]},
            {"person": ["a", "b"]},
            {"what": ["nonsense"]},
            {"when": ["year"]},
            {"since": ["yesterday"]},
            {"since": ["2026-13-01"]},
            {"before": ["0"]},
            {"before": ["9" * 19]},
            {"application": ["Shop!"]},
            {"person": ["a'; --"]},
        ],
    )
    def test_only_what_is_allowed_is_looked_up(self, values: dict[str, list[str]], ada: User) -> None:
        with pytest.raises(WrongFilter):
            read_wanted(values)
        answered = sign_in(ada).get("/activity", dict(values))
        assert answered.status_code == 400
        assert "What to do" in text_of(answered.content)

    def test_it_tells_from_where(self, ada: User) -> None:
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.force_login(ada)
        client.post(reverse("add-environment"), {"name": "staging"})
        text = text_of(client.get("/activity").content)
        assert "Ada Marsh added the environment staging." in text
        assert "page, 192.0.2.7" in text


class TestExport:
    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1"])
    def test_no_cell_begins_a_formula(self, cell: str) -> None:
        assert harmless(cell) == f"'{cell}"

    def test_other_cells_stay(self) -> None:
        assert [harmless(cell) for cell in ("", "a=1", "12", "ada")] == ["", "a=1", "12", "ada"]
