"""Configuration by the API: the same verbs and refusals; a secret goes in and never out."""

import pytest

from environments.configuration import changing
from environments.configuration.scopes import Scope
from environments.models import Target
from tests import builders
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
CANARY = "canary-5Rt9-api"


@pytest.fixture
def target() -> Target:
    made = builders.make_target(
        application=builders.make_application(name="shop"), environment=builders.make_environment(name="staging")
    )
    builders.make_host(name="web-1", environment=made.environment, zone=builders.make_zone(region="eu", zone="a"))
    return made


@pytest.fixture
def ada(target: Target) -> API:
    return api_of(role="maintainer")


BASE = "targets/shop/staging/configuration"


def test_values_are_set_read_and_removed_in_every_layer(ada: API) -> None:
    named = {"region": "eu", "zone": "eu/a", "host": "web-1"}
    for layer in ("application", "environment", "target", "region", "zone", "host"):
        body = {"value": layer} | ({"of": named[layer]} if layer in named else {})
        made = ada.put(f"{BASE}/{layer}/A", body)
        assert made.status_code == 200, made.content
        assert (made.json()["layer"], made.json()["value"]) == (layer, layer)
    (value,) = ada.get(BASE, host="web-1").json()["values"]
    assert (value["value"], value["of"], len(value["covered"])) == ("host", "web-1", 5)
    assert ada.delete(f"{BASE}/host/A", of="web-1").status_code == 204
    (value,) = ada.get(BASE, host="web-1").json()["values"]
    assert (value["value"], value["of"]) == ("zone", "eu/a")
    (value,) = ada.get(BASE).json()["values"]
    assert value["of"] == "shop/staging"


def test_a_secret_never_comes_out(ada: API, target: Target) -> None:
    answers = [
        ada.put(f"{BASE}/application/TOKEN", {"value": CANARY, "secret": True}),
        ada.put(f"{BASE}/target/TOKEN", {"value": CANARY + "2", "secret": True}),
    ]
    change = ada.get(f"{BASE}/changes").json()["items"][0]
    answers += [ada.get(BASE), ada.get(f"{BASE}/changes"), ada.get(f"{BASE}/differences", since=change["id"] - 1)]
    answers += [ada.post(f"{BASE}/changes/{change['id']}/undo"), ada.put(f"{BASE}/target/LD_X", {"value": CANARY})]
    answers += [ada.put(f"{BASE}/target/A", {"value": CANARY + "\0"}), ada.get(BASE, host="web-1")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 400, 400, 200]
    assert not [answer.content for answer in answers if CANARY in answer.content.decode()]
    (value,) = ada.get(BASE).json()["values"]
    assert (value["secret"], value["value"], value["layer"]) == (True, None, "application")


def test_changes_are_listed_and_undone(ada: API) -> None:
    ada.put(f"{BASE}/target/A", {"value": "one"})
    ada.put(f"{BASE}/target/A", {"value": "two"})
    newest, first = ada.get(f"{BASE}/changes").json()["items"]
    assert (newest["value"], newest["latest"], first["value"], first["latest"]) == ("two", True, "one", False)
    check_problem(ada.post(f"{BASE}/changes/{first['id']}/undo"), 409, "nothing-to-undo")
    assert ada.post(f"{BASE}/changes/{newest['id']}/undo").json()["value"] == "one"
    check_problem(ada.post(f"{BASE}/changes/99999/undo"), 404, "not-found")


def test_what_differs(ada: API, target: Target) -> None:
    other = builders.make_target(
        application=target.application, environment=builders.make_environment(name="production")
    )
    changing.set_value(Scope(other), "URL", "https://shop.example", by=None)
    ada.put(f"{BASE}/target/URL", {"value": "https://staging.example"})
    (told,) = ada.get(f"{BASE}/differences", other="production").json()["items"]
    assert (told["name"], told["word"]) == ("URL", "changed")
    assert (told["before"]["value"], told["after"]["value"]) == ("https://shop.example", "https://staging.example")
    check_problem(ada.get(f"{BASE}/differences"), 400, "unacceptable")


def test_refusals_say_why_and_change_nothing(ada: API, target: Target) -> None:
    check_problem(ada.put(f"{BASE}/target/PATH", {"value": "x"}), 400, "wrong-values")
    check_problem(ada.put(f"{BASE}/target/lower", {"value": "x"}), 400, "wrong-values")
    check_problem(ada.put(f"{BASE}/nonsense/A", {"value": "x"}), 404, "not-found")
    check_problem(ada.put(f"{BASE}/host/A", {"value": "x", "of": "web-9"}), 404, "not-found")
    check_problem(ada.put(f"{BASE}/zone/A", {"value": "x", "of": "eu"}), 404, "not-found")
    check_problem(ada.put(f"{BASE}/application/A", {"value": "x", "of": "other"}), 404, "not-found")
    check_problem(ada.delete(f"{BASE}/target/A"), 404, "no-such-value")
    check_problem(ada.get(BASE, host="web-9"), 404, "not-found")
    assert not target.configuration.exists()


def test_where_it_lies_in_a_release(ada: API, target: Target) -> None:
    wanted = {"env_file": ".env", "json_file": "config/settings.json", "files": ["config/app.conf"]}
    assert ada.put(f"{BASE}/delivery", wanted).json() == wanted
    assert ada.get(BASE).json()["delivery"] == wanted
    check_problem(ada.put(f"{BASE}/delivery", {"env_file": "../x"}), 400, "wrong-values")
    check_problem(ada.put(f"{BASE}/delivery", {"env_file": "a", "json_file": "a"}), 400, "wrong-values")
    Target.objects.update(linked_dirs=["config"])
    assert (
        "shared by all releases"
        in check_problem(ada.put(f"{BASE}/delivery", wanted | {"files": []}), 400, "wrong-values")["detail"]
    )
    assert ada.get(BASE).json()["delivery"] == wanted


def test_what_is_not_live_yet_is_told_and_deployed(ada: API, target: Target) -> None:
    check_problem(ada.post(f"{BASE}/deploys"), 409, "nothing-to-deploy")
    builders.make_deploy(target=target)
    assert ada.get(BASE).json()["pending"] is False
    ada.put(f"{BASE}/target/A", {"value": "x"})
    assert ada.get(BASE).json()["pending"] is True
    made = ada.post(f"{BASE}/deploys")
    assert (made.status_code, made.json()["kind"]) == (201, "configuration")


@pytest.mark.parametrize("role", ["viewer", "deployer"])
def test_only_maintainers_change_it_and_everyone_reads_it(role: str, target: Target) -> None:
    caller = api_of(role=role)
    made = changing.set_value(Scope(target), "A", "x", by=None)
    assert made is not None
    check_problem(caller.put(f"{BASE}/target/A", {"value": "y"}), 403, "not-allowed")
    check_problem(caller.delete(f"{BASE}/target/A"), 403, "not-allowed")
    check_problem(caller.put(f"{BASE}/delivery", {"env_file": ".env"}), 403, "not-allowed")
    check_problem(caller.post(f"{BASE}/changes/{made.pk}/undo"), 403, "not-allowed")
    assert caller.get(BASE).json()["values"][0]["value"] == "x"
