"""Adding applications, hosts and targets by the API: the same verbs, the same refusals."""

import pytest

from environments.models import Application, Host, HostKey, Target
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
REPOSITORY = "git@git.example.org:shop/shop.git"
TARGET = {"application": "shop", "environment": "production", "root": "~/shop", "user": "deploy"}


@pytest.fixture
def ada() -> API:
    return api_of(role="administrator")


def test_from_nothing_to_a_target(ada: API) -> None:
    made = ada.post("applications", {"repository": REPOSITORY})
    assert made.status_code == 201
    assert made.json()["name"] == "shop"
    assert made.json()["deploy_key"].endswith(" deployer-shop")
    lines = ["deploy@web-1.example.org", "deploy@web-2.internal:2222 via jump@bastion.example.org"]
    added = ada.post("environments/production/hosts", {"lines": lines})
    assert added.status_code == 201
    assert [(host["name"], host["port"], host["new"]) for host in added.json()["hosts"]] == [
        ("web-1", 22, True),
        ("web-2", 2222, True),
    ]
    assert not HostKey.objects.exists()
    steps = [{"name": "restart", "preset": "restart-systemd", "parameters": {"units": ["shop.service"]}}]
    target = ada.post("targets", TARGET | {"linked_dirs": ["log"], "steps": steps})
    assert target.status_code == 201
    assert target["Location"] == "/api/v1/targets/shop/production"
    assert [step.phase for step in Target.objects.get().steps.all()] == ["restart"]


def test_refusals_say_why_and_change_nothing(ada: API) -> None:
    check_problem(ada.post("applications", {"repository": "http://x/y"}), 400, "wrong-values")
    ada.post("applications", {"repository": REPOSITORY})
    check_problem(ada.post("applications", {"repository": REPOSITORY}), 409, "taken")
    check_problem(ada.post("environments/production/hosts", {"lines": ["web 1"]}), 400, "wrong-values")
    check_problem(ada.post("targets", TARGET), 404, "not-found")
    ada.post("environments/production/hosts", {"lines": ["deploy@web-1"]})
    wrong = ada.post("targets", TARGET | {"root": "/", "steps": [{"name": "x", "preset": "nonsense"}]})
    said = check_problem(wrong, 400, "wrong-values")
    assert "steps.0.preset" in said["detail"]
    ada.post("targets", TARGET)
    check_problem(ada.post("targets", TARGET), 409, "taken")
    assert (Application.objects.count(), Host.objects.count(), Target.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("role", ["viewer", "deployer"])
def test_only_administrators_may(role: str) -> None:
    caller = api_of(role=role)
    check_problem(caller.post("applications", {"repository": REPOSITORY}), 403, "not-allowed")
    check_problem(caller.post("environments/production/hosts", {"lines": ["a@b"]}), 403, "not-allowed")
    check_problem(caller.post("targets", TARGET), 403, "not-allowed")
