"""What each kind makes of the payloads that its sender documents, and which signatures it takes."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.hooks import kinds
from deployments.hooks.errors import Unreadable
from deployments.hooks.saying import Checked, Said
from tests.deployments.hooks import payloads
from tests.deployments.hooks.payloads import Payload, pack, sign

A = "a" * 40
SECRET = "one-that-only-they-know"
AT = datetime(2026, 11, 1, 10, 5, tzinfo=UTC)


def facts(said: Said) -> tuple[Any, ...]:
    """Commit, refs, and what checks said: kind, name, state."""
    return said.revision, said.refs, [(one.kind, one.name, one.state) for one in said.checks]


WHAT: list[tuple[str, str, Payload, tuple[Any, ...]]] = [
    ("github", "push", payloads.push(A), (A, ("main",), [])),
    ("github", "push", payloads.push(A, branch="feature/x"), (A, ("feature/x",), [])),
    ("github", "push", payloads.push("0" * 40) | {"deleted": True}, ("", (), [])),
    ("github", "status", payloads.status(A), (A, ("main",), [("status", "ci/build", "red")])),
    ("github", "check_run", payloads.check_run(A), (A, ("main",), [("check_run", "build", "green")])),
    ("github", "check_suite", payloads.check_suite(A), (A, ("main",), [("check_suite", "Linter", "green")])),
    ("github", "check_suite", payloads.check_suite(A, branch=None), (A, (), [("check_suite", "Linter", "green")])),
    (
        "github",
        "check_suite",
        payloads.check_suite(A, conclusion=None),
        (A, ("main",), [("check_suite", "Linter", "pending")]),
    ),
    ("github", "workflow_run", payloads.workflow_run(A), (A, ("main",), [("workflow_run", "CI", "green")])),
    (
        "github",
        "workflow_run",
        payloads.workflow_run(A, conclusion="timed_out"),
        (A, ("main",), [("workflow_run", "CI", "red")]),
    ),
    ("github", "deployment", payloads.deployment(A), ("", (), [])),
    ("github", "pull_request", payloads.pull_request(A), ("", (), [])),
    ("github", "ping", payloads.ping(), ("", (), [])),
    ("github", "create", payloads.create(), ("", ("v2",), [])),
    ("github", "create", payloads.create(kind="branch", ref="side"), ("", (), [])),
    ("github", "release", payloads.release(), ("", ("v2",), [])),
    ("github", "release", payloads.release(action="deleted"), ("", (), [])),
    ("github", "star", {"action": "created"}, ("", (), [])),
    ("gitlab", "Push Hook", payloads.gitlab_push(A), (A, ("main",), [])),
    ("gitlab", "Push Hook", payloads.gitlab_push("0" * 40), ("", (), [])),
    (
        "gitlab",
        "Tag Push Hook",
        payloads.gitlab_push(A, kind="tag_push", ref="refs/tags/v2"),
        (A, ("v2",), []),
    ),
    ("gitlab", "Pipeline Hook", payloads.pipeline(A), (A, ("main",), [("pipeline", "pipeline", "green")])),
    (
        "gitlab",
        "Pipeline Hook",
        payloads.pipeline(A, word="running"),
        (A, ("main",), [("pipeline", "pipeline", "pending")]),
    ),
    ("gitlab", "Merge Request Hook", payloads.merge_request(A), ("", (), [])),
    ("gitea", "push", payloads.push(A), (A, ("main",), [])),
    ("gitea", "status", payloads.status(A), (A, ("main",), [("status", "ci/build", "red")])),
    ("gitea", "workflow_run", payloads.workflow_run(A), (A, ("main",), [("workflow_run", "CI", "green")])),
    (
        "gitea",
        "action_run_success",
        payloads.forgejo_run(A),
        (A, ("main",), [("action_run", "ci.yml", "green")]),
    ),
    (
        "gitea",
        "action_run_failure",
        payloads.forgejo_run(A, "failure"),
        (A, ("main",), [("action_run", "ci.yml", "red")]),
    ),
    ("jenkins", "build", payloads.jenkins(A), (A, ("main",), [("build", "shop", "green")])),
    ("jenkins", "build", payloads.jenkins(A, word="UNSTABLE"), (A, ("main",), [("build", "shop", "red")])),
    ("jenkins", "build", payloads.jenkins(A, phase="STARTED", word=""), (A, ("main",), [("build", "shop", "pending")])),
    ("generic", "", {"revision": A, "ref": "refs/heads/main"}, (A, ("main",), [])),
    ("generic", "", {"revision": A, "state": "Passed", "name": "e2e"}, (A, (), [("generic", "e2e", "green")])),
    ("generic", "", {"revision": A, "state": "broken"}, (A, (), [("generic", "build", "red")])),
    ("generic", "", {"revision": A, "state": "running"}, (A, (), [("generic", "build", "pending")])),
]


@pytest.mark.parametrize(("kind", "event", "payload", "expected"), WHAT)
def test_what_a_payload_says(kind: str, event: str, payload: Payload, expected: tuple[Any, ...]) -> None:
    said = kinds.find(kind).read(event, payload, {})
    assert facts(said) == expected
    assert said.told.endswith(".")


@pytest.mark.parametrize(
    ("kind", "event", "payload"),
    [
        ("github", "workflow_run", payloads.workflow_run(A)),
        ("gitlab", "Pipeline Hook", payloads.pipeline(A)),
        ("gitea", "action_run_success", payloads.forgejo_run(A)),
        ("jenkins", "build", payloads.jenkins(A)),
    ],
)
def test_checks_tell_when_and_where(kind: str, event: str, payload: Payload) -> None:
    (one,) = kinds.find(kind).read(event, payload, {}).checks
    assert one.url.startswith("https://")
    assert one.at == AT


def test_the_fields_of_a_generic_one_are_chosen() -> None:
    settings = {
        "revision": "build.commit",
        "ref": "build.branch",
        "state": "result",
        "name": "job",
        "green": "OK, fine",
    }
    payload = {
        "build": {"commit": A, "branch": "main"},
        "result": "Fine",
        "job": "nightly",
        "at": "2026-11-01T10:05:00Z",
    }
    kind = kinds.find("generic")
    assert kind.check(settings) == {}
    said = kind.read("", payload, settings)
    assert said.checks == (Checked("generic", "nightly", "green", AT),)
    assert (said.revision, said.refs) == (A, ("main",))
    for wrong in ({"revision": "a b"}, {"ref": "../x"}, {"state": "a..b"}, {"green": "<b>"}):
        assert kind.check(wrong).keys() == wrong.keys()


READERS = [
    ("github", "push"),
    ("github", "status"),
    ("github", "check_run"),
    ("github", "check_suite"),
    ("github", "workflow_run"),
    ("gitlab", "Push Hook"),
    ("gitlab", "Pipeline Hook"),
    ("gitea", "action_run_success"),
    ("jenkins", "build"),
    ("generic", ""),
]


@pytest.mark.parametrize(("kind", "event"), READERS)
@pytest.mark.parametrize("nonsense", [7, [], "x", None, {"head_sha": "--upload-pack=x"}, {"sha": "A" * 39}, True])
def test_what_is_something_else_than_it_says_is_refused(kind: str, event: str, nonsense: Any) -> None:
    words = (
        "after",
        "sha",
        "check_run",
        "check_suite",
        "workflow_run",
        "run",
        "build",
        "revision",
        "object_attributes",
    )
    objects = {"Push Hook": "push", "Pipeline Hook": "pipeline"}
    payload = {**dict.fromkeys((*words, "object_attributes"), nonsense), "object_kind": objects.get(event, "")}
    with pytest.raises(Unreadable, match="40 hex digits"):
        kinds.find(kind).read(event, payload, {})


BODY = pack({"revision": A})
BASIC = base64.b64encode(f"hook:{SECRET}".encode()).decode()
GOOD = [
    ("github", {"X-Hub-Signature-256": f"sha256={sign(BODY, SECRET)}"}),
    ("gitlab", {"X-Gitlab-Token": SECRET}),
    ("gitea", {"X-Gitea-Signature": sign(BODY, SECRET)}),
    ("gitea", {"X-Forgejo-Signature": sign(BODY, SECRET)}),
    ("jenkins", {"Authorization": f"Basic {BASIC}"}),
    ("generic", {"X-Deployer-Signature": f"sha256={sign(BODY, SECRET)}"}),
]


@pytest.mark.parametrize(("kind", "headers"), GOOD)
def test_whose_signature_is_taken(kind: str, headers: dict[str, str]) -> None:
    is_signed = kinds.find(kind).is_signed
    assert is_signed(SECRET, headers, BODY, {})
    assert not is_signed("another", headers, BODY, {})
    assert not is_signed("", headers, BODY, {}), "an empty secret signs nothing"
    assert not is_signed(SECRET, {}, BODY, {})
    for name, value in headers.items():
        for other in ("", value[:-1], value + "0", value.upper(), "é", "sha256="):
            assert not is_signed(SECRET, {name: other}, BODY, {})
        if "Signature" in name:
            assert not is_signed(SECRET, headers, BODY + b" ", {}), "what was signed is another body"
            empty = {name: value.replace(sign(BODY, SECRET), sign(BODY, ""))}
            assert not is_signed("", empty, BODY, {})
    assert sorted(kinds.KINDS) == sorted({kind for kind, _ in GOOD})
