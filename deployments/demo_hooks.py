"""The demo's hooks: a source, a policy, and some deliveries as GitHub would have sent them, none of which deploys."""

import contextlib
import hashlib
import hmac
import json
from typing import Any

from deployments.hooks import intake, sources, working
from deployments.hooks.errors import NotSigned
from environments import policies, repositories
from environments.demo.geography import STAGING
from environments.demo.repositories import STOREFRONT
from environments.models import Asked, HookSource, Target
from environments.policies import Rules

WORKFLOW = "CI"
_FROM = "140.82.115.9"


def show_hooks() -> None:
    """Once: afterwards what there is, is people's. Raises RepositoryError."""
    if HookSource.objects.exists():
        return
    target = Target.objects.select_related("application", "environment").get(
        application__name=STOREFRONT, environment__name=STAGING, name=""
    )
    policies.set_policy(target, Rules(True, ("main",), checks=Asked.NAMED, names=(WORKFLOW,)), by=None)
    source, secret = sources.make("github", target.application, by=None)
    revision = repositories.resolve(target.application, target.application.default_branch)
    for event, payload in _payloads(revision):
        _send(source, secret, event, payload)
    _send(source, secret, *_payloads(revision)[-1])
    with contextlib.suppress(NotSigned):
        _send(source, "somebody else's", "push", {})


def _payloads(revision: str) -> list[tuple[str, dict[str, Any]]]:
    branch = "main"
    run = {"name": WORKFLOW, "head_branch": branch, "head_sha": revision, "status": "completed"}
    red = run | {"conclusion": "failure", "updated_at": "2026-01-01T10:05:00Z", "html_url": "https://ci.example.org/7"}
    return [
        ("ping", {"zen": "Practicality beats purity.", "hook": {"config": {"secret": "not shown"}}}),
        ("push", {"ref": f"refs/heads/{branch}", "after": revision, "deleted": False}),
        ("workflow_run", {"action": "completed", "workflow_run": red}),
    ]


def _send(source: HookSource, secret: str, event: str, payload: dict[str, Any]) -> None:
    body = json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": intake.JSON, "X-GitHub-Event": event, "X-GitHub-Delivery": signature[:8]}
    taken = intake.take(source, headers | {"X-Hub-Signature-256": f"sha256={signature}"}, body, _FROM)
    if taken.new:
        working.work(taken.delivery.pk)
