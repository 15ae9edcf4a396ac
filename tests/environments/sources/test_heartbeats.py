"""Machines that say that they are there: their tokens, what they say, and what becomes of one that falls silent."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from environments import access
from environments.models import Heartbeat, Host, HostSource, Membership, Role
from environments.sources import heartbeats, keeping, refreshing
from environments.sources.heartbeats import HeartbeatWrong, NoHeartbeats, Said, TooSoon
from environments.sources.keeping import Plan
from environments.sources.listing import SettingsWrong
from environments.tokens import WrongDays
from notifications.models import Event
from tests.builders import PUBLIC_KEY, make_environment, make_host, make_user
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = pytest.mark.django_db


def plan(**more: Any) -> Plan:
    facts: dict[str, Any] = {"name": "alive", "environment": "staging", "settings": {"silent_minutes": "10"}}
    return Plan(kind="heartbeat", **(facts | more))


@pytest.fixture
def source() -> HostSource:
    make_environment(name="staging")
    return keeping.add(plan(), by=None)[0]


def join(source: HostSource, *lines: str) -> list[str]:
    """Their tokens, after each was heard and the source was read."""
    plain = []
    for line in lines:
        row, token = heartbeats.make(source, line, days=None, by=None)
        heartbeats.hear(row, Said())
        plain.append(token)
    refreshing.refresh(source)
    return plain


def later(name: str, minutes: float) -> None:
    """The machine was heard so long ago."""
    Heartbeat.objects.filter(name=name).update(heard_at=timezone.now() - timedelta(minutes=minutes))


def names() -> list[str]:
    return sorted(Membership.objects.values_list("host__name", flat=True))


def test_a_machine_joins_when_it_is_first_heard(source: HostSource) -> None:
    row, plain = heartbeats.make(source, "ops@10.0.0.9:2222 as web-9", days=30, by=None)
    assert row.digest
    assert plain not in str(Heartbeat.objects.values().get())
    refreshing.refresh(source)
    assert names() == []
    said = {"labels": {"tier": "front"}, "current": {"shop/staging": "20260101000001-0123456"}}
    answer = API(plain).post("hosts/heartbeat", said)
    assert answer.json() == {"host": "web-9", "source": "alive", "silent_after": 600}
    source.refresh_from_db()
    assert source.due_at is not None
    assert source.due_at <= timezone.now()  # a worker reads it within seconds
    refreshing.refresh_due()
    member = Membership.objects.select_related("host").get()
    assert (member.host.name, member.host.user, member.host.address, member.host.port) == (
        ("web-9", "ops", "10.0.0.9", 2222)
    )
    assert (member.labels, member.source, member.host.found_by) == ({"tier": "front"}, "alive", "alive")
    row.refresh_from_db()
    assert row.current == said["current"]


def test_whoever_is_silent_too_long_leaves_by_the_rule_of_all_sources(source: HostSource) -> None:
    join(source, *(f"deploy@10.0.0.{number} as web-{number}" for number in range(1, 5)))
    later("web-1", 9)
    refreshing.refresh(source)
    assert len(names()) == 4
    later("web-1", 11)
    refreshing.refresh(source)
    assert names() == ["web-2", "web-3", "web-4"]
    for name in names():  # a network that is cut makes all of them silent
        later(name, 11)
    outcome = refreshing.refresh(source)
    assert "names none of its 3 hosts" in outcome.kept
    assert names() == ["web-2", "web-3", "web-4"]
    heartbeats.hear(Heartbeat.objects.select_related("source").get(name="web-1"), Said())
    refreshing.refresh(source)
    assert "web-1" in names()


def test_a_host_that_was_typed_in_stays_however_silent_it_is(source: HostSource) -> None:
    make_host(name="typed", environment=source.environment, address="10.0.0.1", user="deploy")
    join(source, "typed", "deploy@10.0.0.2 as web-2", "deploy@10.0.0.3 as web-3", "deploy@10.0.0.4 as web-4")
    later("typed", 60)
    refreshing.refresh(source)
    assert "typed" in names()


def test_roles_are_of_the_source_and_keys_only_of_a_trusted_one() -> None:
    make_environment(name="staging")
    source, _ = keeping.add(plan(settings={"roles": "web, cron"}, trusted=True), by=None)
    row, _ = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
    heartbeats.hear(row, Said(host_keys=[f"ssh-ed25519 {PUBLIC_KEY}"]))
    refreshing.refresh(source)
    assert Membership.objects.get().roles == ["web", "cron"]
    assert Host.objects.get().keys.get().accepted_by == "the source alive"


def test_keys_of_a_source_that_is_not_trusted_are_not(source: HostSource) -> None:
    row, _ = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
    heartbeats.hear(row, Said(host_keys=[f"ssh-ed25519 {PUBLIC_KEY}"]))
    refreshing.refresh(source)
    assert not Host.objects.get().keys.exists()


@pytest.mark.parametrize("minutes", ["0", "-1", "ten", "10081", "1.5"])
def test_how_long_is_a_number_of_minutes(source: HostSource, minutes: str) -> None:
    with pytest.raises(SettingsWrong, match="silent after"):
        keeping.preview(plan(name="other", settings={"silent_minutes": minutes}), by=None)


class TestTokens:
    def test_the_earlier_one_opens_nothing_when_another_is_made(self, source: HostSource) -> None:
        _, first = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        _, second = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        check_problem(API(first).post("hosts/heartbeat", {}), 401, "unauthenticated")
        assert API(second).post("hosts/heartbeat", {}).status_code == 200

    def test_it_ends(self, source: HostSource) -> None:
        row, plain = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=1, by=None)
        assert heartbeats.find(plain) == row
        Heartbeat.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        check_problem(API(plain).post("hosts/heartbeat", {}), 401, "unauthenticated")

    def test_a_revoked_one_opens_nothing_and_its_machine_is_named_no_more(self, source: HostSource) -> None:
        plain, *_ = join(source, *(f"deploy@10.0.0.{number} as web-{number}" for number in range(1, 5)))
        admin = api_of(role=Role.ADMINISTRATOR)
        assert admin.delete("sources/alive/heartbeats/web-1").status_code == 204
        check_problem(API(plain).post("hosts/heartbeat", {}), 401, "unauthenticated")
        check_problem(admin.delete("sources/alive/heartbeats/web-1"), 404, "not-found")
        refreshing.refresh_due()
        assert names() == ["web-2", "web-3", "web-4"]

    def test_it_opens_nothing_else_and_no_persons_token_is_one(self, source: HostSource) -> None:
        (plain,) = join(source, "deploy@10.0.0.1 as web-1")
        for path in ("hosts", "sources", "deploys"):
            check_problem(API(plain).get(path), 401, "unauthenticated")
        admin = api_of(role=Role.ADMINISTRATOR)
        check_problem(admin.post("hosts/heartbeat", {}), 401, "unauthenticated")

    def test_only_administrators_make_and_revoke(self, source: HostSource) -> None:
        ben = make_user(role=Role.MAINTAINER)
        with pytest.raises(access.NotAllowed):
            heartbeats.make(source, "deploy@10.0.0.1", days=None, by=ben)
        row, _ = heartbeats.make(source, "deploy@10.0.0.1", days=None, by=None)
        with pytest.raises(access.NotAllowed):
            heartbeats.revoke(row, by=ben)

    @pytest.mark.parametrize(
        "line", ["", "nonsense here", "10.0.0.1 via a@b", "a@10.0.0.1\na@10.0.0.2", "deploy@10.0.0.8 as taken"]
    )
    def test_what_cannot_be_a_machine(self, source: HostSource, line: str) -> None:
        make_host(name="taken", address="10.0.0.7")
        with pytest.raises(HeartbeatWrong, match="No token was made"):
            heartbeats.make(source, line, days=None, by=None)
        assert not Heartbeat.objects.exists()

    def test_two_machines_are_not_in_one_place(self, source: HostSource) -> None:
        heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        with pytest.raises(HeartbeatWrong, match="is web-1 already"):
            heartbeats.make(source, "deploy@10.0.0.1 as web-2", days=None, by=None)

    def test_only_sources_of_heartbeats_have_them(self, source: HostSource) -> None:
        lines, _ = keeping.add(Plan("lines", {"lines": "deploy@10.0.0.1"}, name="list", environment="staging"), by=None)
        with pytest.raises(NoHeartbeats):
            heartbeats.make(lines, "deploy@10.0.0.1", days=None, by=None)
        with pytest.raises(WrongDays):
            heartbeats.make(source, "deploy@10.0.0.1", days=0, by=None)

    def test_events_tell_it_without_the_token(self, source: HostSource) -> None:
        _, plain = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=make_user(role="administrator"))
        heartbeats.revoke(Heartbeat.objects.get(), by=None)
        found = Event.objects.filter(kind__startswith="heartbeat.").order_by("pk")
        assert [(event.kind, event.host) for event in found] == [
            ("heartbeat.made", "web-1"),
            ("heartbeat.revoked", "web-1"),
        ]
        assert plain not in str(list(found.values()))


class TestSaying:
    def test_more_often_than_anybody_needs_is_refused(self, source: HostSource) -> None:
        row, plain = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        caller = API(plain)
        assert caller.post("hosts/heartbeat").status_code == 200  # without a body, as the shortest curl
        answer = caller.post("hosts/heartbeat", {"labels": {"tier": "x"}})
        check_problem(answer, 429, "too-often")
        assert answer["Retry-After"] == "10"
        row.refresh_from_db()
        assert row.labels == {}
        with pytest.raises(TooSoon):
            heartbeats.hear(row, Said())

    def test_of_many_at_once_one_counts(self, source: HostSource) -> None:
        row, _ = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        same = Heartbeat.objects.select_related("source").get(pk=row.pk)
        heartbeats.hear(row, Said())
        with pytest.raises(TooSoon):
            heartbeats.hear(same, Said())  # which was read before the other was heard

    @pytest.mark.parametrize(
        "body",
        [
            {"labels": {"": "x"}},
            {"labels": {"a b": "x"}},
            {"labels": {"tier": "a,b"}},
            {"labels": {"tier": 1}},
            {"labels": "tier=front"},
            {"current": {"shop": "x"}},
            {"current": {"shop/staging": "../../etc"}},
            {"current": {"shop/staging": 1}},
            {"host_keys": ["nonsense"]},
            {"address": "10.0.0.2"},
        ],
    )
    def test_what_a_machine_cannot_say(self, source: HostSource, body: dict[str, Any]) -> None:
        _, plain = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        assert API(plain).post("hosts/heartbeat", body).status_code == 400
        assert Heartbeat.objects.get().heard_at is None

    def test_it_is_small(self, source: HostSource) -> None:
        _, plain = heartbeats.make(source, "deploy@10.0.0.1 as web-1", days=None, by=None)
        body = {"current": {f"shop-{number}/staging": "x" * 150 for number in range(190)}}
        check_problem(API(plain).post("hosts/heartbeat", body), 413, "too-large")

    def test_who_says_the_same_costs_four_statements_and_no_reading(self, source: HostSource) -> None:
        (plain,) = join(source, "deploy@10.0.0.1 as web-1")
        later("web-1", 1)
        HostSource.objects.update(due_at=timezone.now() + timedelta(minutes=15))
        with CaptureQueriesContext(connection) as asked:
            assert API(plain).post("hosts/heartbeat", {}).status_code == 200
        assert len(asked) <= 4, [row["sql"] for row in asked.captured_queries]
        assert HostSource.objects.filter(due_at__gt=timezone.now()).exists()

    def test_other_labels_are_followed(self, source: HostSource) -> None:
        (plain,) = join(source, "deploy@10.0.0.1 as web-1")
        later("web-1", 1)
        assert API(plain).post("hosts/heartbeat", {"labels": {"tier": "back"}}).status_code == 200
        refreshing.refresh_due()
        assert Membership.objects.get().labels == {"tier": "back"}


class TestDoors:
    def test_by_the_api(self, source: HostSource) -> None:
        admin = api_of(role=Role.ADMINISTRATOR)
        answer = admin.post("sources/alive/heartbeats", {"host": "deploy@10.0.0.1 as web-1", "days": 90})
        assert answer.status_code == 201
        assert answer["Cache-Control"] == "no-store"
        assert API(answer.json()["token"]).post("hosts/heartbeat", {}).status_code == 200
        (row,) = admin.get("sources/alive/heartbeats").json()["items"]
        assert (row["host"], row["silent"], "token" in row) == ("web-1", False, False)
        later("web-1", 11)
        assert admin.get("sources/alive/heartbeats").json()["items"][0]["silent"]
        check_problem(admin.post("sources/alive/heartbeats", {"host": "x y"}), 400, "wrong-values")
        check_problem(admin.post("sources/none/heartbeats", {"host": "a@b"}), 404, "not-found")

    def test_by_the_pages(self, client: Client, source: HostSource) -> None:
        client.force_login(make_user(role=Role.ADMINISTRATOR))
        page = client.get(reverse("settings-source", args=["alive"])).content.decode()
        assert "Machines that may speak" in page
        form = {"source": "alive", "host": "deploy@10.0.0.1 as web-1", "days": "365"}
        answer = client.post(reverse("make-heartbeat"), form)
        assert answer["Cache-Control"] == "no-store"
        told = answer.content.decode()
        (plain,) = {word for word in told.replace('"', " ").split() if word.startswith("dph_")}
        assert "/api/v1/hosts/heartbeat" in told
        assert "never yet" in told
        assert plain not in client.get(reverse("settings-source", args=["alive"])).content.decode()
        heartbeats.hear(Heartbeat.objects.select_related("source").get(), Said(labels={"tier": "front"}))
        refreshing.refresh(source)
        page = client.get(reverse("host", args=["web-1"])).content.decode()
        assert "tier=front" in page
        assert "Make a token for it" in page
        later("web-1", 11)
        for address in (reverse("host", args=["web-1"]), reverse("settings-source", args=["alive"])):
            assert "silent" in client.get(address).content.decode().lower()
        beat = Heartbeat.objects.get()
        gone = client.post(reverse("revoke-heartbeat", args=[beat.pk]), follow=True).content.decode()
        assert "opens nothing any more" in gone

    def test_what_is_wrong_is_told(self, client: Client, source: HostSource) -> None:
        client.force_login(make_user(role=Role.ADMINISTRATOR))
        form = {"source": "alive", "host": "nonsense here", "days": "365"}
        assert "No token was made" in client.post(reverse("make-heartbeat"), form, follow=True).content.decode()
        assert client.post(reverse("make-heartbeat"), form | {"days": "7"}).status_code == 400
        assert client.post(reverse("make-heartbeat"), form | {"source": "none"}).status_code == 404

    def test_the_page_of_a_source_costs_the_same_with_many(self, client: Client, source: HostSource) -> None:
        client.force_login(make_user(role=Role.ADMINISTRATOR))
        rows = [
            Heartbeat(source=source, name=f"m-{number:03}", address=f"10.0.0.{number}", digest=f"{number}")
            for number in range(250)
        ]
        Heartbeat.objects.bulk_create(rows)
        with CaptureQueriesContext(connection) as asked:
            page = client.get(reverse("settings-source", args=["alive"])).content.decode()
        assert len(asked) <= 15
        assert "?machines=m-099" in page
        assert "m-100" in client.get(reverse("settings-source", args=["alive"]) + "?machines=m-099").content.decode()
