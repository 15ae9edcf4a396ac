"""Sources as they are kept, read and followed, on lines and on a real web server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from deployments import lifecycle
from deployments.blockers import Blocked
from environments import access
from environments.models import Environment, GivenHost, Host, HostSource, Membership, Role
from environments.sources import keeping, refreshing
from environments.sources.keeping import Plan
from environments.sources.listing import NameTaken, NotReadable, SaysOtherwise, SettingsWrong
from notifications.models import Event
from tests.builders import PUBLIC_KEY, make_environment, make_host, make_target, make_user
from tests.environments.sources.server import Server, make_certificate, serving

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def web(server: Server) -> Server:
    server.status, server.body, server.headers, server.holds = 200, b"[]", {}, False
    server.asked.clear()
    return server


@pytest.fixture
def staging() -> Environment:
    return make_environment(name="staging")


def lines(*rows: str, **more: Any) -> Plan:
    facts: dict[str, Any] = {"name": "fleet", "environment": "staging", "share": 30}
    return Plan(kind="lines", settings={"lines": "\n".join(rows)}, **(facts | more))


def web_plan(web: Server, **more: Any) -> Plan:
    facts: dict[str, Any] = {"name": "cmdb", "environment": "staging"}
    return Plan(kind="web", settings={"address": web.address}, **(facts | more))


def rows(count: int, start: int = 1) -> list[str]:
    return [f"deploy@10.0.0.{number} as web-{number}" for number in range(start, start + count)]


def names() -> list[str]:
    return sorted(Membership.objects.values_list("host__name", flat=True))


def kinds() -> list[str]:
    return [event.kind for event in Event.objects.order_by("pk") if event.kind.startswith("source.")]


def again(source: HostSource, plan: Plan, **more: Any) -> refreshing.Outcome:
    return keeping.change(source, plan, by=None, **more)


class TestLines:
    def test_a_preview_changes_nothing_and_saving_does_what_it_showed(self, staging: Environment) -> None:
        make_host(name="old", address="10.0.0.9", user="root")
        plan = lines("deploy@10.0.0.1 as web-1", "ops@10.0.0.9", "via jump@10.0.1.1", "deploy@10.0.0.3:2222")
        seen = keeping.preview(plan, by=None)
        assert [(one.name, bool(one.host)) for one in seen.meant] == [
            ("web-1", False),
            ("old", True),
            ("10-0-0-3", False),
        ]
        assert (names(), HostSource.objects.count(), Event.objects.count()) == ([], 0, 0)
        source, outcome = keeping.add(plan, by=None)
        assert (names(), outcome.kept, outcome.wrong) == (["10-0-0-3", "old", "web-1"], "", ())
        assert {row.source for row in Membership.objects.all()} == {"fleet"}
        behind = Host.objects.get(name="10-0-0-3")
        assert behind.zone
        gateway = behind.zone.region.gateway
        assert gateway
        assert gateway.address == "10.0.1.1"
        assert Host.objects.get(name="old").user == "root"  # what a person has said stays
        source.refresh_from_db()
        assert source.good_at is not None
        assert not source.trouble
        assert kinds() == ["source.added", "source.refreshed"]

    def test_reading_it_again_costs_few_queries_and_tells_nothing(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(60)), by=None)
        told = Event.objects.count()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            refreshing.refresh(source)
        assert len(queries) <= 12
        assert Event.objects.count() == told

    def test_hosts_change_and_leave_and_come_back_by_their_name(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(10)), by=None)
        moved = [*rows(8), "deploy@10.0.7.7 as web-9"]
        outcome = again(source, lines(*moved))
        assert (names(), outcome.kept) == ([f"web-{n}" for n in range(1, 10)], "")
        assert Host.objects.get(name="web-9").address == "10.0.7.7"
        assert Host.objects.filter(name="web-10").exists()  # forgotten later, when no deploy is there any more
        again(source, lines(*moved, "deploy@10.0.8.8 as web-10"))
        back = Host.objects.get(name="web-10")
        assert (back.address, len(names())) == ("10.0.8.8", 10)

    def test_who_gets_another_name_is_the_same_host(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(3)), by=None)
        outcome = again(source, lines(*rows(2), "deploy@10.0.0.3 as db-1"))
        assert (outcome.kept, outcome.difference.gone, names()) == ("", (), ["web-1", "web-2", "web-3"])

    @pytest.mark.parametrize(
        ("left", "kept"), [(7, False), (6, True), (0, True)], ids=["3 of 10 leave", "4 of 10 would", "all would"]
    )
    def test_do_no_harm(self, left: int, kept: bool, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(10)), by=None)
        outcome = again(source, lines(*(rows(left) or ["deploy@10.9.9.9 as new"])))
        assert bool(outcome.kept) is kept
        assert len(names()) == (left or 11 if not kept else 10 + (left == 0))
        source.refresh_from_db()
        assert bool(source.trouble) is kept
        assert len(source.leaving) == (10 - left if kept else 0)
        assert ("source.kept" in kinds()) is kept

    def test_the_last_ones_never_leave_by_themselves_whatever_the_share(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(1), share=100), by=None)
        assert again(source, lines("deploy@10.9.9.9 as new", share=100)).kept.startswith("It names none of its 1 hosts")
        assert names() == ["new", "web-1"]

    def test_a_person_accepts_what_they_have_seen_and_no_more(self, staging: Environment) -> None:
        ada = make_user(username="ada", role=Role.ADMINISTRATOR)
        source, _ = keeping.add(lines(*rows(10)), by=ada)
        seen = again(source, lines(*rows(5)))
        again(source, lines(*rows(4)))
        source.refresh_from_db()
        with pytest.raises(SaysOtherwise):
            refreshing.accept(source, seen.difference.removal, by=ada)
        assert len(names()) == 10
        now = refreshing.refresh(source)
        refreshing.accept(source, now.difference.removal, by=ada)
        source.refresh_from_db()
        assert (len(names()), source.trouble, source.leaving, kinds()[-1]) == (4, "", [], "source.accepted")

    def test_it_is_told_once_until_it_is_another_thing(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(10)), by=None)
        again(source, lines(*rows(5)))
        source.refresh_from_db()
        refreshing.refresh(source)
        assert kinds().count("source.kept") == 1
        again(source, lines(*rows(4)))
        assert kinds().count("source.kept") == 2
        again(source, lines(*rows(10)))
        assert kinds()[-1] == "source.recovered"

    def test_with_an_entry_that_cannot_be_understood_nobody_leaves(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(10)), by=None)
        outcome = again(source, lines(*rows(9), "deploy@10.0.0.99 as new", "deploy@ten.0.0.10 as UPPER"))
        assert "cannot be understood" in outcome.kept
        assert [str(one).split(":")[0] for one in outcome.wrong] == ["Line 11"]
        assert (len(names()), "new" in names()) == (11, True)

    def test_a_host_of_two_sources_is_not_removed_by_one(self, staging: Environment) -> None:
        first, _ = keeping.add(lines(*rows(10)), by=None)
        second, _ = keeping.add(lines(*rows(2, 9), name="second"), by=None)
        again(first, lines(*rows(8)))
        assert len(names()) == 10
        sources = dict(Membership.objects.values_list("host__name", "source"))
        assert (sources["web-9"], sources["web-1"]) == ("second", "fleet")
        again(second, lines("deploy@10.0.0.9 as web-9", share=50, name="second"))
        assert "web-10" not in names()

    def test_what_a_person_added_is_not_removed_by_a_source(self, staging: Environment) -> None:
        make_host(name="web-1", address="10.0.0.1", environment=staging)
        source, _ = keeping.add(lines(*rows(10)), by=None)
        again(source, lines(*rows(9, 2)))
        assert "web-1" in names()
        assert not GivenHost.objects.filter(host__name="web-1").exists()

    def test_a_source_moves_no_host_of_others(self, staging: Environment) -> None:
        make_host(name="web-1", address="10.0.0.1", environment=staging)
        source, _ = keeping.add(lines(*rows(3)), by=None)
        outcome = again(source, lines("deploy@10.0.5.5 as web-1", *rows(2, 2)))
        assert "web-1 is at 10.0.0.1:22 here" in str(outcome.wrong[0])
        assert Host.objects.get(name="web-1").address == "10.0.0.1"

    def test_removing_it_keeps_its_hosts_or_not(self, staging: Environment) -> None:
        source, _ = keeping.add(lines(*rows(2)), by=None)
        keeping.remove(source, by=None)
        assert set(Membership.objects.values_list("source", "host__found_by")) == {("static", "")}
        Membership.objects.all().delete()
        Host.objects.all().delete()
        source, _ = keeping.add(lines(*rows(2)), by=None)
        keeping.remove(source, by=None, hosts=True)
        assert not names()

    def test_refusals(self, staging: Environment) -> None:
        with pytest.raises(SettingsWrong) as wrong:
            keeping.add(
                Plan(
                    "lines",
                    {},
                    name="No Name",
                    environment="nowhere",
                    user="-x",
                    via="a b c",
                    zone="x/y",
                    share=101,
                    every_minutes=-1,
                ),
                by=None,
            )
        assert set(wrong.value.problems) == {
            *("lines", "name", "environment", "user", "via", "zone", "share", "every_minutes")
        }
        with pytest.raises(SettingsWrong):
            keeping.add(Plan("fortune", {}), by=None)
        make_host(name="demo-1", environment=staging)
        Membership.objects.update(source="demo")
        for taken in ("demo", "static"):
            with pytest.raises(NameTaken):
                keeping.add(lines(*rows(1), name=taken), by=None)
        keeping.add(lines(*rows(1)), by=None)
        with pytest.raises(NameTaken):
            keeping.add(lines(*rows(1)), by=None)
        person = make_user(role=Role.MAINTAINER)
        for act in (keeping.preview, keeping.add):
            with pytest.raises(access.NotAllowed):
                act(lines(*rows(1)), by=person)
        with pytest.raises(access.NotAllowed):
            keeping.remove(HostSource.objects.get(), by=person)
        with pytest.raises(access.NotAllowed):
            refreshing.accept(HostSource.objects.get(), "x", by=person)


def test_it_is_read_before_a_deploy_where_it_says_so(staging: Environment) -> None:
    target = make_target(environment=staging, left_at=timezone.now())  # blocked, so that nothing is asked of git
    for number, before in enumerate((False, True)):
        plan = lines("deploy@10.0.0.1", name=f"fleet-{number}", before_deploys=before)
        keeping.add(plan, by=None)
    listed = {"lines": "deploy@10.0.0.1\ndeploy@10.0.0.2"}
    HostSource.objects.update(settings=listed, looked_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(Blocked):
        lifecycle.request_deploy(target=target, ref="main", by=None)
    assert Membership.objects.get(host__address="10.0.0.2").source == "fleet-1"


class TestWeb:
    def test_a_list_with_all_that_one_may_say(self, web: Server, staging: Environment) -> None:
        web.says(
            [
                {"name": "web-1", "address": "10.0.0.1", "port": 2222, "user": "www", "roles": ["web", "cron"]}
                | {"region": "eu", "zone": "a", "labels": {"tier": "front"}},
                "deploy@10.0.0.2",
            ]
        )
        keeping.add(web_plan(web, secret=None, user="ops"), by=None)
        host = Host.objects.select_related("zone__region").get(name="web-1")
        member = host.memberships.get()
        assert (host.port, host.user, str(host.zone)) == (2222, "www", "eu/a")
        assert (member.roles, member.labels) == (["web", "cron"], {"tier": "front"})

    def test_over_https_with_a_token_that_is_sealed(self, tmp_path: Path, staging: Environment) -> None:
        certificate, pem = make_certificate(tmp_path)
        with serving(certificate) as web:
            web.says([{"name": "web-1", "address": "10.0.0.1"}])
            settings = {"address": web.address, "authorities": pem}
            plan = Plan("web", settings, name="cmdb", environment="staging", secret="t0ps3cret")
            source, _ = keeping.add(plan, by=None)
            assert web.asked[-1] == ("/hosts.json", "Bearer t0ps3cret")
            assert "t0ps3cret" not in f"{HostSource.objects.values().get()} {list(Event.objects.values())}"
            keeping.preview(Plan("web", settings | {"login": "ada"}), of=source, by=None)
            assert web.asked[-1][1].startswith("Basic ")
            with pytest.raises(SettingsWrong) as wrong:  # a token goes to nobody it was not given for
                keeping.preview(Plan("web", {"address": "https://127.0.0.1:1/"}), of=source, by=None)
            assert set(wrong.value.problems) == {"secret"}
            with pytest.raises(NotReadable, match="certificate verify failed"):
                keeping.preview(
                    Plan("web", {"address": web.address}, secret="", environment="staging", name="x"), by=None
                )

    def test_the_certificate_must_be_of_the_name_that_was_asked(self, tmp_path: Path, staging: Environment) -> None:
        certificate, pem = make_certificate(tmp_path, "other.example")
        with serving(certificate) as web:
            settings = {"address": web.address, "authorities": pem}
            with pytest.raises(NotReadable, match="certificate"):
                keeping.preview(Plan("web", settings, environment="staging", name="x"), by=None)

    def test_one_that_fails_keeps_everything_and_says_so_once(self, web: Server, staging: Environment) -> None:
        web.says([f"deploy@10.0.0.{n}" for n in range(1, 5)])
        source, _ = keeping.add(web_plan(web), by=None)
        web.status = 503
        for _ in range(2):
            with pytest.raises(NotReadable):
                refreshing.refresh(source)
        source.refresh_from_db()
        assert ("answers 503" in source.trouble, len(names()), kinds().count("source.failed")) == (True, 4, 1)
        since = source.trouble_since
        web.status = 200
        refreshing.refresh(source)
        source.refresh_from_db()
        assert (source.trouble, source.trouble_since, kinds()[-1]) == ("", None, "source.recovered")
        assert since is not None

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}}, "redirects"),
            ({"status": 403}, "credentials"),
            ({"body": b"<html>"}, "no JSON"),
            ({"body": b"[" * 100_000}, "no JSON"),
            ({"body": b"[" * 30 + b"]" * 30}, "nested"),
            ({"body": b"7"}, "neither a list"),
            ({"body": b" " * (9 << 20)}, "larger than"),
        ],
        ids=["redirect", "forbidden", "html", "bottomless", "deep", "number", "large"],
    )
    def test_what_is_no_list_is_a_sentence(
        self, answer: dict[str, Any], told: str, web: Server, staging: Environment
    ) -> None:
        for name, value in answer.items():
            setattr(web, name, value)
        with pytest.raises(NotReadable, match=told):
            keeping.add(web_plan(web), by=None)
        assert not HostSource.objects.exists()
        assert len(web.asked) == 1

    @pytest.mark.parametrize(
        "address",
        [
            *("http://169.254.169.254/latest", "http://[fe80::1]/", "http://0.0.0.0/", "http://[::ffff:a9fe:a9fe]/"),
            *("http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://224.0.0.1/"),
        ],
    )
    def test_addresses_that_are_never_asked(self, address: str, staging: Environment) -> None:
        with pytest.raises(NotReadable, match="not asked"):
            keeping.preview(Plan("web", {"address": address}, name="x", environment="staging"), by=None)

    def test_those_of_our_own_network_are_asked_unless_a_setting_says_otherwise(
        self, web: Server, staging: Environment, settings: Settings
    ) -> None:
        keeping.preview(web_plan(web), by=None)
        settings.SOURCE_ADDRESSES = "public"
        with pytest.raises(NotReadable, match="SOURCE_ADDRESSES=public"):
            keeping.preview(web_plan(web), by=None)

    @pytest.mark.parametrize(
        "address", ["", "file:///etc/passwd", "gopher://x/", "https://a:b@x/", "//x", "https://x y/"]
    )
    def test_what_is_no_web_address(self, address: str, staging: Environment) -> None:
        with pytest.raises(SettingsWrong):
            keeping.preview(Plan("web", {"address": address}, name="x", environment="staging"), by=None)

    def test_no_token_travels_over_http(self, web: Server, staging: Environment) -> None:
        with pytest.raises(SettingsWrong, match="not sent over http"):
            keeping.preview(web_plan(web, secret="t0ken"), by=None)
        assert not web.asked

    def test_one_that_hangs_takes_no_longer_than_it_may(
        self, web: Server, staging: Environment, settings: Settings
    ) -> None:
        web.says(["deploy@10.0.0.1"])
        source, _ = keeping.add(web_plan(web, before_deploys=True), by=None)
        HostSource.objects.update(looked_at=timezone.now() - timedelta(hours=1))
        web.holds, settings.SOURCE_DEPLOY_SECONDS = True, 1
        refreshing.refresh_before_deploy(staging)  # no error: the deploy goes on with the old list
        source.refresh_from_db()
        assert "did not answer within" in source.trouble
        assert names() == ["10-0-0-1"]

    def test_host_keys_count_only_from_a_trusted_source(self, web: Server, staging: Environment) -> None:
        web.says([{"name": "web-1", "address": "10.0.0.1", "host_keys": [f"ssh-ed25519 {PUBLIC_KEY}"]}])
        source, _ = keeping.add(web_plan(web), by=None)
        host = Host.objects.get(name="web-1")
        assert not host.keys.exists()
        outcome = again(source, web_plan(web, trusted=True))
        assert [change.words for change in outcome.difference.changed] == [("1 new host key",)]
        assert host.keys.get().accepted_by == "the source cmdb"
        other = PUBLIC_KEY[:-2] + "hh"
        web.says([{"name": "web-1", "address": "10.0.0.1", "host_keys": [f"ssh-ed25519 {other}"]}])
        source.refresh_from_db()
        assert "another ssh-ed25519 key" in str(refreshing.refresh(source).wrong[0])
        assert host.keys.get().key == PUBLIC_KEY

    def test_it_is_read_when_it_is_due_and_by_one_worker(self, web: Server, staging: Environment) -> None:
        web.says(["deploy@10.0.0.1"])
        keeping.add(web_plan(web), by=None)
        web.asked.clear()
        refreshing.refresh_due()
        refreshing.refresh_due()
        assert len(web.asked) == 1
        HostSource.objects.update(due_at=timezone.now() - timedelta(seconds=1), every_minutes=0)
        refreshing.refresh_due()
        assert len(web.asked) == 1

    def test_what_was_changed_while_it_was_read_is_not_followed(self, web: Server, staging: Environment) -> None:
        web.says(["deploy@10.0.0.1"])
        source, _ = keeping.add(web_plan(web), by=None)
        web.says(["deploy@10.0.0.1", "deploy@10.0.0.2"])
        HostSource.objects.update(version=7)
        refreshing.refresh(source)
        assert len(names()) == 1
