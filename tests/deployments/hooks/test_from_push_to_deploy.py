"""From a signed delivery to a deploy: kept at once, worked on once, decided by the policy, asked for as itself."""

import json

import pytest

from deployments import lifecycle
from deployments.hooks import working
from deployments.models import Deploy, HookDecision, HookDelivery
from environments.models import Grant, Target
from notifications.models import Event
from tests.deployments.hooks.conftest import Sender, word_on
from tests.deployments.hooks.payloads import check_suite, push, workflow_run
from tests.repository import Repository

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD")


def test_a_green_build_ships_itself(
    sender: Sender, target: Target, repository: Repository, unheard: list[object]
) -> None:
    revision = head(repository)
    answer = sender.send("workflow_run", workflow_run(revision))
    assert answer.status_code == 202
    delivery = HookDelivery.objects.get(pk=json.loads(answer.content)["delivery"])
    assert (delivery.event, delivery.name, delivery.decision) == ("workflow_run", "d-1", "")
    assert ("deployments.tasks.work_hook", [delivery.pk]) in unheard
    assert not Deploy.objects.exists(), "whoever sends it does not wait for that"
    working.work(delivery.pk)
    deploy = Deploy.objects.get()
    assert (deploy.revision, deploy.ref, deploy.trigger, deploy.automatic) == (revision, "main", "hook", True)
    assert (deploy.by_name, deploy.by) == ("Ada", sender.source.account)
    delivery.refresh_from_db()
    assert (delivery.decision, delivery.revision, delivery.due_at) == ("deployed", revision, None)
    decided = HookDecision.objects.get()
    assert (decided.target, decided.deploy) == (target, deploy)
    event = Event.objects.get(kind="deploy.requested")
    assert (event.facts["by"], event.facts["trigger"]) == ("Ada", "hook")


def test_what_nobody_rang_for_is_found_by_the_sweep(
    sender: Sender, target: Target, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.send("workflow_run", workflow_run(head(repository)))
    working.look()
    assert not Deploy.objects.exists(), "its message may still be on the way"
    monkeypatch.setattr(working, "REST", working.REST * 0)
    working.look()
    assert Deploy.objects.get().trigger == "hook"
    working.look()
    assert Deploy.objects.count() == 1


def test_a_push_waits_for_its_checks_and_a_red_one_keeps_it(
    sender: Sender, target: Target, repository: Repository
) -> None:
    revision = head(repository)
    pushed = sender.tell("push", push(revision))
    assert word_on(pushed, target) == "checks"
    assert word_on(sender.tell("check_suite", check_suite(revision, conclusion=None)), target) == "checks"
    red = sender.tell("workflow_run", workflow_run(revision, conclusion="failure"))
    assert word_on(red, target) == "skipped"
    assert "CI is red" in HookDecision.objects.get(delivery=red).told
    sender.tell("check_suite", check_suite(revision))
    assert not Deploy.objects.exists()
    sender.tell("workflow_run", workflow_run(revision, at="2026-11-01T11:00:00Z"))
    assert Deploy.objects.get().revision == revision


def test_what_checks_said_before_changes_nothing(sender: Sender, target: Target, repository: Repository) -> None:
    revision = head(repository)
    sender.tell("workflow_run", workflow_run(revision, conclusion="failure", at="2026-11-01T11:00:00Z"))
    late = sender.tell("workflow_run", workflow_run(revision, at="2026-11-01T10:00:00Z"))
    assert word_on(late, target) == "skipped"


def test_it_may_what_its_account_may(sender: Sender, target: Target, repository: Repository) -> None:
    Grant.objects.filter(person=sender.source.account).delete()
    refused = sender.tell("workflow_run", workflow_run(head(repository)))
    assert (word_on(refused, target), Deploy.objects.count()) == ("refused", 0)
    assert "may not deploy" in HookDecision.objects.get().told


def test_a_lock_holds_it_and_a_newer_one_replaces_it(sender: Sender, target: Target, repository: Repository) -> None:
    lifecycle.request_deploy(target=target, ref="main", by=None)
    second = repository.commit({"index.html": "two"})
    waits = sender.tell("workflow_run", workflow_run(second))
    third = repository.commit({"index.html": "three"})
    newer = sender.tell("workflow_run", workflow_run(third))
    assert (word_on(waits, target), word_on(newer, target)) == ("queued", "queued")
    old, new = Deploy.objects.filter(trigger="hook").order_by("number")
    assert (old.status, new.status) == ("cancelled", "waiting")
    assert f"Replaced by #{new.number}" in old.reason


def test_the_commit_of_a_fork_is_not_that_of_the_branch_it_names(
    sender: Sender, target: Target, repository: Repository
) -> None:
    foreign = sender.tell("workflow_run", workflow_run("d" * 40))
    assert foreign.decision == "skipped"
    side = repository.commit({"index.html": "side"}, branch="side")
    assert word_on(sender.tell("workflow_run", workflow_run(side)), target) == "skipped"
    assert not Deploy.objects.exists()
