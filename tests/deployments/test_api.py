"""What holds for the whole API: who may come in, and what a refusal looks like."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.db import OperationalError
from django.test import Client
from ninja.operation import Operation

from deployments import lifecycle
from deployments.api.api import MOST_BODY, api
from deployments.api.auth import Needs
from environments import repositories
from environments.access import ADMINISTER, DEPLOY, MAINTAIN
from environments.models import Role
from environments.sealed import CannotOpen
from notifications.models import Event
from tests.builders import make_deploy, make_target, make_token, make_user
from tests.deployments.api_client import API, api_of, check_problem

pytestmark = pytest.mark.django_db


def operations() -> Iterator[tuple[str, Operation]]:
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            plain = path.replace("{place:", "{")  # how an address is read is not part of what it is called
            yield from ((plain, operation) for operation in view.operations)


OPERATIONS = list(operations())
IDS = [f"{operation.methods[0]} {path}" for path, operation in OPERATIONS]


def test_there_are_operations_to_walk() -> None:
    assert len(OPERATIONS) >= 12


def call(client: Client, path: str, operation: Operation) -> Any:
    target, deploy = "{application}/{environment}", "{deploy_id}"
    address = "/api/v1" + path.replace(target, "shop/staging").replace(deploy, "1")
    address += "?q=words" * path.endswith("/search")
    return client.generic(operation.methods[0], address, content_type="application/json")


@pytest.mark.parametrize(("path", "operation"), OPERATIONS, ids=IDS)
def test_no_operation_opens_without_credentials(path: str, operation: Operation) -> None:
    answer = call(Client(), path, operation)
    check_problem(answer, 401, "unauthenticated")
    assert answer["WWW-Authenticate"] == "Bearer"


# One may make and revoke tokens of one's own, whatever one may besides; who approves, a target's team says; a machine's
# heartbeat is no person's.
FOR_ROLES = [
    (path, operation)
    for path, operation in OPERATIONS
    if not path.startswith("/tokens") and path != "/hosts/heartbeat" and not path.endswith(("/approve", "/refuse"))
]


@pytest.mark.parametrize(
    ("path", "operation"), FOR_ROLES, ids=[name for name, one in zip(IDS, OPERATIONS, strict=True) if one in FOR_ROLES]
)
def test_a_viewer_reads_and_changes_nothing(path: str, operation: Operation) -> None:
    client = Client(headers={"Authorization": f"Bearer {make_token(user=make_user(role=Role.VIEWER))}"})
    answer = call(client, path, operation)
    (gate,) = operation.auth_callbacks
    if operation.methods == ["GET"] and cast("Needs", gate).permission not in {ADMINISTER, MAINTAIN}:
        assert answer.status_code in {200, 404}
    else:
        check_problem(answer, 403, "not-allowed")


def test_a_refusal_is_an_event() -> None:
    user = make_user(username="vera", role=Role.VIEWER)
    said = check_problem(api_of(user=user).post("deploys/7/cancel"), 403, "not-allowed")
    assert said["detail"].startswith("vera may not deploy.")
    event = Event.objects.get(kind="permission.refused")
    assert (event.actor, event.facts["permission"]) == ("vera", DEPLOY)
    assert event.facts["path"] == "/api/v1/deploys/7/cancel"


@pytest.mark.parametrize(
    "path", ["nothing", "", "deploys/", "deploys/1/nothing", "deploys/x", "deploys/0", f"deploys/{2**64}"]
)
def test_an_unknown_address_is_a_problem(path: str) -> None:
    check_problem(api_of().get(path), 404, "not-found")


def test_a_wrong_method_is_a_problem() -> None:
    answer = api_of().post("deploys")
    check_problem(answer, 405, "method-not-allowed")
    assert answer["Allow"] == "GET"


@pytest.mark.parametrize("path", ["deploys", "targets", "hosts", "applications", "environments", "deploys/1"])
def test_an_unknown_parameter_is_refused(path: str) -> None:
    said = check_problem(api_of().get(path, statsu="failed"), 400, "unacceptable")
    assert "'statsu'" in said["detail"]


class TestBody:
    """Bodies that cannot be understood change nothing."""

    @pytest.fixture
    def address(self) -> str:
        return f"/api/v1/targets/{make_target(hosts=1).slug}/deploys"

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b'"main"',
            b"null",
            b"[" * 60_000,
            b'{"ref": "main", "wait": "yes"}',
            b'{"ref": 7}',
            b'{"ref": null}',
            b'{"force": true}',
            b"\xff\xfe",
            b'{"ref": "' + b"x" * 300 + b'"}',
            b'{"ref": "-main"}',
            b'{"ref": "a\\u0000b"}',
            b'{"ref": "\\ud800"}',
        ],
    )
    def test_nonsense_is_refused(self, body: bytes, address: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {make_token()}"})
        answer = client.post(address, body, content_type="application/json")
        said = json.loads(answer.content)
        check_problem(answer, 400, "ref-not-found" if said["kind"] == "ref-not-found" else "unacceptable")
        assert not Event.objects.filter(kind="deploy.requested").exists()

    def test_a_form_is_no_json(self, address: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {make_token()}"})
        check_problem(client.post(address, {"ref": "main"}), 415, "wrong-media-type")
        text = client.post(address, '{"ref": "main"}', content_type="text/plain")
        check_problem(text, 415, "wrong-media-type")

    @pytest.mark.parametrize("size", [MOST_BODY + 1, 3_000_000])
    def test_a_large_one_is_refused(self, size: int, address: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {make_token()}"})
        check_problem(client.post(address, b" " * size, content_type="application/json"), 413, "too-large")

    def test_what_is_wrong_is_named(self, address: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {make_token()}"})
        answer = client.post(address, {"wait": "yes"}, content_type="application/json")
        said = check_problem(answer, 400, "unacceptable")
        assert said["errors"][0]["where"][-1] == "wait"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (repositories.RefNotFound("No such ref."), 400, "ref-not-found"),
        (repositories.RepositoryUnreachable("It did not answer."), 502, "repository"),
        (repositories.GitHostUnknown("No key."), 502, "repository"),
        (lifecycle.LifecycleError("Not now."), 409, "not-possible"),
        (CannotOpen("Restore the keys."), 500, "sealed"),
        (OperationalError("down"), 503, "database"),
        (ZeroDivisionError("canary-in-an-error"), 500, "broken"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_verb_raises_is_a_problem(
    error: Exception, status: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**facts: object) -> None:
        raise error

    monkeypatch.setattr(lifecycle, "request_deploy", fail)
    answer = api_of().post(f"targets/{make_target().slug}/deploys", {})
    said = check_problem(answer, status, kind)
    assert "canary" not in said["detail"]
    assert "Traceback" not in answer.content.decode()
    assert answer.has_header("Retry-After") == (status == 503)


def test_openapi_tells_every_operation_and_who_may() -> None:
    said = json.loads(Client().get("/api/v1/openapi.json").content)
    assert said["openapi"].startswith("3.")
    told = {(method.upper(), path) for path, methods in said["paths"].items() for method in methods}
    assert told == {(operation.methods[0], f"/api/v1{path}") for path, operation in OPERATIONS}
    assert all(operation["security"] for methods in said["paths"].values() for operation in methods.values())


def test_there_is_no_page_that_would_need_scripts_from_elsewhere() -> None:
    check_problem(API().get("docs"), 404, "not-found")


def test_a_list_answers_json_to_the_bearer() -> None:
    make_deploy()
    answer = api_of().get("deploys")
    assert answer["Content-Type"].startswith("application/json")
    assert set(answer.json()) == {"items", "next"}
