"""An application with two targets whose hosts nobody runs, a source, and somebody who sends to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.hooks import sources, working
from deployments.models import HookDecision, HookDelivery
from environments import policies
from environments.models import HookSource, Target
from environments.policies import Rules
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.hooks.payloads import Payload, pack, sign
from tests.repository import Repository


@dataclass
class Sender:
    """Sends as a git host does; what it sent is worked on by `work`."""

    source: HookSource
    secret: str
    client: Client = field(default_factory=Client)

    @property
    def address(self) -> str:
        return reverse("take-hook", args=[self.source.kind, self.source.key])

    def post(self, body: bytes, **headers: str) -> Any:
        return self.client.post(self.address, body, content_type="application/json", headers=headers)

    def send(self, event: str, payload: Payload, *, name: str = "d-1") -> Any:
        """As GitHub signs it."""
        body = pack(payload)
        signed = {"X-Hub-Signature-256": f"sha256={sign(body, self.secret)}"}
        return self.post(body, **signed, **{"X-GitHub-Event": event, "X-GitHub-Delivery": name})

    def tell(self, event: str, payload: Payload) -> HookDelivery:
        """Send it, and have it worked on."""
        answer = self.send(event, payload)
        assert answer.status_code == 202, answer.content
        return worked(json.loads(answer.content)["delivery"])


def worked(delivery_id: int) -> HookDelivery:
    working.work(delivery_id)
    return HookDelivery.objects.get(pk=delivery_id)


def word_on(delivery: HookDelivery, target: Target) -> str:
    return HookDecision.objects.get(delivery=delivery, target=target).word


@pytest.fixture(autouse=True)
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was rung for; there is no broker here."""
    rung: list[Any] = []

    def note(task: str, args: list[object], **_: Any) -> bool:
        rung.append((task, args))
        return False

    monkeypatch.setattr("deployments.doorbell.publish", note)
    return rung


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory, repositories: Any) -> Repository:
    """One of this test's own: `main` with one commit."""
    folder = tmp_path_factory.mktemp("own", numbered=True)
    made = Repository(folder)
    made.commit({"index.html": "one"})
    return made


@pytest.fixture
def target(make_place: MakeFleetTarget, repository: Repository, settings: Any) -> Target:
    """One that takes green commits of main."""
    settings.REPOSITORY_ROOTS = [*settings.REPOSITORY_ROOTS, repository.path.parent]
    made = make_place(hosts=2, repository=repository).target
    policies.set_policy(made, Rules(automatic=True, refs=("main",)), by=None)
    return Target.objects.select_related("application", "environment", "policy", "approvers").get(pk=made.pk)


@pytest.fixture
def sender(target: Target) -> Sender:
    return Sender(*sources.make("github", target.application, by=None))


Send = Callable[..., HookDelivery]
