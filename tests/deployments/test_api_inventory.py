"""Lists: what is in them, their filters, and that they go on by key at a fixed cost."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from deployments.api import paging
from deployments.states import DeployStatus
from tests.builders import (
    make_application,
    make_deploy,
    make_environment,
    make_host,
    make_placement,
    make_run,
    make_target,
    make_user,
    make_zone,
)
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def caller() -> API:
    return api_of(role="viewer")


def names(answer: Any, field: str = "name") -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item[field] for item in answer.json()["items"]]


def test_applications_tell_where_they_are_deployed(caller: API) -> None:
    shop = make_application(name="shop", repository="https://git.example/shop.git")
    production, staging = make_environment(name="production", position=2), make_environment(name="staging", position=1)
    make_target(application=shop, environment=production)
    make_target(application=shop, environment=staging)
    assert caller.get("applications").json() == {
        "items": [
            {
                "name": "shop",
                "repository": "https://git.example/shop.git",
                "default_branch": "main",
                "distribution": "archive",
                "environments": ["staging", "production"],
            }
        ],
        "next": None,
    }


def test_no_secret_of_an_application_is_told(caller: API) -> None:
    make_application(name="shop", deploy_key="canary-one", https_token="canary-two", https_user="robot")
    assert b"canary" not in caller.get("applications").content


def test_environments_tell_their_applications(caller: API) -> None:
    staging = make_environment(name="staging", position=3)
    make_target(environment=staging, application=make_application(name="shop"))
    make_target(environment=staging, application=make_application(name="api"))
    (item,) = caller.get("environments").json()["items"]
    assert item == {"name": "staging", "position": 3, "applications": ["api", "shop"]}


def test_hosts_tell_where_they_stand_and_what_they_are_for(caller: API) -> None:
    staging = make_environment(name="staging")
    make_host(name="web1", environment=staging, zone=make_zone(region="asia", zone="b"), roles=["web", "cron"])
    make_host(name="lonely")
    web, lonely = sorted(caller.get("hosts").json()["items"], key=lambda item: str(item["name"]), reverse=True)
    assert (web["name"], web["region"], web["zone"]) == ("web1", "asia", "b")
    assert web["environments"] == [{"name": "staging", "roles": ["web", "cron"], "labels": {}}]
    assert (lonely["region"], lonely["environments"]) == ("", [])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"environment": "staging"}, ["web1"]),
        ({"region": "asia"}, ["web1", "web2"]),
        ({"region": "asia", "zone": "b"}, ["web2"]),
        ({"environment": "nowhere"}, []),
    ],
)
def test_hosts_are_filtered(query: dict[str, str], found: list[str], caller: API) -> None:
    make_host(name="web1", environment=make_environment(name="staging"), zone=make_zone(region="asia", zone="a"))
    make_host(name="web2", zone=make_zone(region="asia", zone="b"))
    make_host(name="web3", zone=make_zone(region="europe", zone="b"))
    assert names(caller.get("hosts", **query)) == found


def test_targets_tell_what_is_live_and_what_was_last(caller: API) -> None:
    target = make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))
    good = make_deploy(target=target, by=make_user(username="ada", first_name="Ada"))
    bad = make_deploy(target=target, status=DeployStatus.FAILED)
    (item,) = caller.get("targets").json()["items"]
    assert (item["application"], item["environment"]) == ("shop", "staging")
    assert item["url"] == "http://localhost:8000/shop/staging/"
    assert (item["live"]["id"], item["latest"]["id"]) == (good.pk, bad.pk)
    assert (item["live"]["by"], item["live"]["by_name"]) == ("ada", "Ada")


def test_a_target_tells_what_each_host_really_runs(caller: API) -> None:
    target = make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))
    web1 = make_host(name="web1", environment=target.environment, zone=make_zone())
    make_host(name="web2", environment=target.environment)
    deploy = make_deploy(target=target)
    make_placement(host=web1, target=target, current=deploy.release, port=8001)
    said = caller.get("targets/shop/staging").json()
    assert said["blockers"] == []
    first, second = said["hosts"]
    assert (first["host"], first["region"], first["zone"], first["port"]) == ("web1", "europe", "a", 8001)
    assert deploy.release is not None
    assert (first["release"], first["revision"]) == (deploy.release.name, deploy.revision)
    assert (second["host"], second["release"], second["revision"]) == ("web2", "", "")


def test_a_target_tells_what_blocks_it(caller: API) -> None:
    target = make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))
    running = make_deploy(target=target, status=DeployStatus.RUNNING)
    kinds = {item["kind"]: item for item in caller.get("targets/shop/staging").json()["blockers"]}
    assert set(kinds) == {"no-hosts", "running"}
    assert kinds["running"]["url"] == f"http://localhost:8000/deploys/{running.pk}"


def test_a_target_that_is_none_is_not_found(caller: API) -> None:
    make_target(application=make_application(name="shop"), environment=make_environment(name="staging"))
    for path in ("targets/shop/production", "targets/none/staging", "targets/Shop/staging", "targets/-/staging"):
        check_problem(caller.get(path), 404, "not-found")


class TestDeploys:
    """The newest first, filtered by what an allow-list names."""

    @pytest.fixture(autouse=True)
    def history(self) -> None:
        shop, ada = make_application(name="shop"), make_user(username="ada")
        staging, production = make_environment(name="staging"), make_environment(name="production")
        one, two = (make_target(application=shop, environment=place) for place in (staging, production))
        make_deploy(target=one, by=ada)
        make_deploy(target=one, status=DeployStatus.FAILED)
        make_deploy(target=one, kind="rollback", by=ada)
        make_deploy(target=two)
        make_deploy(target=make_target(environment=staging))

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({}, 5),
            ({"application": "shop"}, 4),
            ({"environment": "staging"}, 4),
            ({"application": "shop", "environment": "staging"}, 3),
            ({"application": "nothing"}, 0),
            ({"status": "failed"}, 1),
            ({"kind": "rollback"}, 1),
            ({"by": "ada"}, 2),
            ({"by": "ada", "kind": "deploy"}, 1),
        ],
    )
    def test_filters(self, query: dict[str, str], count: int, caller: API) -> None:
        ids = names(caller.get("deploys", **query), "id")
        assert len(ids) == count
        assert ids == sorted(ids, reverse=True)

    @pytest.mark.parametrize(
        "query",
        [
            {"status": "done"},
            {"kind": "x"},
            {"by": "a b"},
            {"application": "a/b"},
            {"application": "a\x00"},
            {"by__password": "x"},
            {"ordering": "id"},
            {"cursor": "-1"},
            {"cursor": "9" * 30},
            {"cursor": "1 OR 1=1"},
            {"application__name": "shop"},
        ],
    )
    def test_what_is_not_on_the_allow_list_is_refused(self, query: dict[str, str], caller: API) -> None:
        check_problem(caller.get("deploys", **query), 400, "unacceptable")


@pytest.mark.parametrize("path", ["applications", "environments", "hosts", "targets", "deploys"])
def test_a_list_goes_on_by_its_cursor(path: str, caller: API, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    for _ in range(5):
        make_deploy(target=make_target(hosts=1))
    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        said = caller.get(path, cursor=cursor).json()
        seen += said["items"]
        cursor = said["next"]
        pages += 1
    assert pages == 3
    assert len({str(item) for item in seen}) == len(seen) == 5


def test_a_full_last_page_has_no_next(caller: API, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    make_application(), make_application()
    assert caller.get("applications").json()["next"] is None


QUERIES = {"applications": 3, "environments": 3, "hosts": 3, "targets": 2, "deploys": 2}


@pytest.mark.parametrize("path", QUERIES)
def test_a_list_costs_the_same_with_ten_times_as_much(
    path: str, caller: API, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    caller.get("deploys")  # notes the use of the token, once a minute
    for count in (2, 20):
        for _ in range(count):
            deploy = make_deploy(target=make_target(hosts=1), by=make_user())
            make_run(deploy=deploy)
        # one of them finds the token
        with django_assert_num_queries(QUERIES[path]):
            caller.get(path)


def test_a_deploy_costs_the_same_with_ten_times_as_many_hosts(
    caller: API, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    caller.get("deploys")
    deploy = make_deploy(of=make_deploy(), by=make_user())
    for count in (2, 20):
        for _ in range(count):
            make_run(deploy=deploy)
        with django_assert_num_queries(3):
            assert len(caller.get(f"deploys/{deploy.pk}").json()["hosts"]) >= count


def test_names_come_in_order(caller: API) -> None:
    for name in ("zoo", "app", "mid"):
        make_application(name=name)
    assert names(caller.get("applications")) == ["app", "mid", "zoo"]


def test_a_host_is_set_aside_and_taken_back() -> None:
    deployer, host = api_of(role="deployer"), make_host(name="web-1", environment=make_environment(name="staging"))
    assert deployer.put("hosts/web-1/aside", {"how": "drained", "reason": "New disk"}).status_code == 204
    (told,) = deployer.get("hosts").json()["items"]
    assert (told["aside"], told["aside_why"]) == ("drained", "New disk")
    problem = check_problem(deployer.put("hosts/web-1/aside", {"how": "drained", "reason": "x"}), 409, "not-possible")
    assert problem["detail"] == "web-1 is drained already. Nothing was changed."
    problem = check_problem(
        deployer.put("hosts/web-1/aside", {"how": "quarantined", "reason": " "}), 400, "wrong-values"
    )
    assert problem["detail"].startswith("Say why web-1 is to be quarantined")
    check_problem(api_of(role="viewer").delete("hosts/web-1/aside"), 403, "not-allowed")
    host.refresh_from_db()
    assert host.aside == "drained"
    assert deployer.delete("hosts/web-1/aside").status_code == 204
    check_problem(deployer.delete("hosts/web-1/aside"), 409, "not-possible")
    host.refresh_from_db()
    assert host.aside == ""
