"""What is taken and what is refused before anything is read: signatures, sizes, floods, and the same once more."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from deployments.hooks import intake, sources, working
from deployments.models import Check, Deploy, HookDelivery
from environments.models import HookSource, Target
from notifications.metrics.samples import Sample
from notifications.models import Event
from tests.deployments.api_client import check_problem
from tests.deployments.hooks.conftest import Sender, worked
from tests.deployments.hooks.payloads import pack, push, sign, workflow_run
from tests.measured import said
from tests.measured import samples as samples
from tests.repository import Repository

pytestmark = pytest.mark.django_db
BODY = pack(push("a" * 40))


def signed(secret: str, body: bytes = BODY) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={sign(body, secret)}"}


def test_what_is_not_rightly_signed_is_refused_unread(
    sender: Sender, target: Target, monkeypatch: pytest.MonkeyPatch, unheard: list[Any]
) -> None:
    loads = json.loads

    def read(text: Any, **more: Any) -> Any:
        assert b"refs/heads" not in (text if isinstance(text, bytes) else str(text).encode()), "it was parsed"
        return loads(text, **more)

    _, other = sources.make("github", target.application, by=None)
    right = signed(sender.secret)
    cases: list[tuple[str, bytes, dict[str, str], str]] = [
        ("none", BODY, {}, "application/json"),
        ("bad", BODY, {"X-Hub-Signature-256": "sha256=" + "0" * 64}, "application/json"),
        ("SHA-1", BODY, {"X-Hub-Signature": "sha1=" + "0" * 40}, "application/json"),
        ("of an empty secret", BODY, signed(""), "application/json"),
        ("of another source", BODY, signed(other), "application/json"),
        ("of another body", BODY + b" ", right, "application/json"),
        ("of another type", BODY, right, "application/x-www-form-urlencoded"),
        ("packed", BODY, right | {"Content-Encoding": "gzip"}, "application/json"),
    ]
    with monkeypatch.context() as unread:
        unread.setattr(json, "loads", read)
        answers = [
            (what, sender.client.post(sender.address, body, content_type=kind, headers=headers))
            for what, body, headers, kind in cases
        ]
    assert [(what, answer.status_code) for what, answer in answers] == [(case[0], 401) for case in cases]
    check_problem(answers[0][1], 401, "not-signed")
    row = HookDelivery.objects.get()
    assert (row.decision, row.times, bytes(row.body), row.due_at) == ("unsigned", len(cases), b"", None)
    assert Event.objects.get(kind="hook.refused").facts["reason"].startswith("Its signature in X-Hub-Signature-256")
    assert not unheard


def test_nobody_sends_to_an_address_that_is_not_there(sender: Sender) -> None:
    for address in ("/hooks/github/nothing", sender.address.replace("github", "gitlab"), "/hooks/nonsense/x"):
        check_problem(Client().post(address, b"{}", content_type="application/json"), 404, "not-found")
    check_problem(Client().get(sender.address), 405, "method-not-allowed")
    assert not HookDelivery.objects.exists()


def test_a_large_body_is_not_taken(sender: Sender, settings: Settings) -> None:
    settings.HOOK_MOST_KB = 16
    large = b'"' + b"x" * (16 << 10) + b'"'
    check_problem(sender.post(large, **signed(sender.secret, large)), 413, "too-large")
    assert not HookDelivery.objects.exists()
    lying = sender.client.generic("POST", sender.address, large, content_type="application/json", CONTENT_LENGTH="five")
    check_problem(lying, 413, "too-large")


def test_a_flood_of_signed_ones_is_told_to_come_later(sender: Sender, settings: Settings) -> None:
    settings.HOOK_PER_MINUTE = 3
    answers = [sender.send("push", push(f"{number:040x}")).status_code for number in range(1, 6)]
    assert answers == [202, 202, 202, 429, 429]
    HookDelivery.objects.update(received_at=timezone.now() - timedelta(minutes=2))
    assert sender.send("push", push("f" * 40)).status_code == 202


def test_a_flood_without_signatures_leaves_few_traces_and_bars_nobody(sender: Sender) -> None:
    answers = {sender.post(BODY).status_code for _ in range(intake.UNSIGNED_PER_MINUTE)}
    assert answers == {401}
    assert sender.post(BODY).status_code == 429
    assert HookDelivery.objects.get().times == intake.UNSIGNED_PER_MINUTE
    for number in range(intake.ADDRESSES_PER_MINUTE + 5):
        sender.client.post(sender.address, BODY, content_type="application/json", REMOTE_ADDR=f"192.0.2.{number}")
    assert HookDelivery.objects.count() == intake.ADDRESSES_PER_MINUTE + 1
    assert Event.objects.filter(kind="hook.refused").count() == intake.ADDRESSES_PER_MINUTE + 1
    assert sender.send("push", push("a" * 40)).status_code == 202


def test_the_same_body_is_worked_on_once_whatever_it_is_called(
    sender: Sender, target: Target, repository: Repository
) -> None:
    payload = workflow_run(repository.git("rev-parse", "HEAD"))
    first = sender.tell("workflow_run", payload)
    for event, name in (("workflow_run", "d-1"), ("workflow_run", "other"), ("check_run", "d-1")):
        answer = sender.send(event, payload, name=name)
        assert (answer.status_code, json.loads(answer.content)["duplicate"]) == (200, True)
    repeated = HookDelivery.objects.exclude(pk=first.pk)
    assert {(one.decision, one.of, one.due_at, bytes(one.body)) for one in repeated} == {
        ("duplicate", first, None, b"")
    }
    assert Deploy.objects.count() == 1


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_are_one_deploy(sender: Sender, target: Target, repository: Repository) -> None:
    """The same one from fifty sides, ten reports of other checks of the same commit, and workers that race."""
    revision = repository.git("rev-parse", "HEAD")
    same = pack(workflow_run(revision))
    others = [pack(workflow_run(revision, name=f"check {number}", number=number)) for number in range(10)]
    barrier = threading.Barrier(10)

    def act(body: bytes) -> tuple[int, float]:
        barrier.wait(60)
        client = Client()
        began = timezone.now()
        headers = signed(sender.secret, body) | {"X-GitHub-Event": "workflow_run"}
        answer = client.post(sender.address, body, content_type="application/json", headers=headers)
        took = (timezone.now() - began).total_seconds()
        working.work(json.loads(answer.content)["delivery"])
        connection.close()
        return answer.status_code, took

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(act, [same] * 50 + others))
    assert sorted(status for status, _ in answers) == [200] * 49 + [202] * 11
    for delivery in HookDelivery.objects.filter(decision=""):
        worked(delivery.pk)
    assert Deploy.objects.get(target=target).revision == revision
    assert HookDelivery.objects.filter(decision="deployed").count() == 1
    assert Check.objects.filter(revision=revision, state="green").count() == 11


def test_a_source_that_is_removed_is_heard_no_more_and_deploys_nothing(
    sender: Sender, target: Target, repository: Repository
) -> None:
    account = sender.source.account
    sources.remove(HookSource.objects.get(), by=None)
    assert sender.send("push", push("a" * 40)).status_code == 404
    account.refresh_from_db()
    assert (account.is_active, account.grants.count(), account.has_usable_password()) == (False, 0, False)


def test_another_secret_ends_the_one_before(sender: Sender) -> None:
    old = sender.secret
    sender.secret = sources.renew_secret(sender.source, by=None)
    assert sender.send("push", push("a" * 40)).status_code == 202
    assert sender.post(BODY, **signed(old)).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_what_becomes_of_each_is_counted(sender: Sender, target: Target, samples: list[Sample]) -> None:
    sender.post(BODY)
    sender.send("ping", {"zen": "Keep it simple."})
    delivery = sender.tell("push", {"ref": "refs/heads/gone", "deleted": True})
    sender.send("push", {"ref": "refs/heads/gone", "deleted": True})
    name = target.application.name
    assert list(said(samples)) == [
        ("hooks", name, "github", word) for word in ("unsigned", delivery.decision, "duplicate")
    ]


def test_a_mistake_of_ours_is_tried_again_and_given_up_in_the_end(
    sender: Sender, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(delivery: HookDelivery) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(working, "read", break_down)
    delivery = sender.tell("ping", {"zen": "Keep it simple."})
    assert (delivery.decision, delivery.told) == ("", "It went wrong here (ZeroDivisionError). It is tried again.")
    assert delivery.due_at is not None
    assert delivery.due_at > timezone.now()
    HookDelivery.objects.update(due_at=timezone.now(), received_at=timezone.now() - timedelta(days=2))
    assert worked(delivery.pk).decision == "failed"
