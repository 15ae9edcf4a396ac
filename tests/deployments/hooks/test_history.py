"""In whatever order hooks arrive: an older commit never overtakes a newer one, and each is asked for once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import lifecycle
from deployments.hooks import deciding, working
from deployments.hooks.looking import look as look_at
from deployments.models import Deploy, HookDecision, HookDelivery, Standing
from environments import locks, repositories
from environments.models import Target
from tests import builders
from tests.deployments.hooks.conftest import Sender, word_on, worked
from tests.deployments.hooks.payloads import workflow_run
from tests.repository import Repository

pytestmark = pytest.mark.django_db


def head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD")


def make_live(target: Target, revision: str) -> Deploy:
    return builders.make_deploy(target=target, revision=revision)


def test_an_older_one_never_overtakes_what_is_live(sender: Sender, target: Target, repository: Repository) -> None:
    old = head(repository)
    make_live(target, repository.commit({"a": "2"}))
    late = sender.tell("workflow_run", workflow_run(old))
    assert word_on(late, target) == "older"
    assert "which is live" in HookDecision.objects.get().told


def test_nor_what_runs_waits_or_ended_in_part(sender: Sender, target: Target, repository: Repository) -> None:
    first, second, third = head(repository), repository.commit({"a": "2"}), repository.commit({"a": "3"})
    make_live(target, first)
    running = sender.tell("workflow_run", workflow_run(third))
    assert word_on(running, target) == "deployed"
    late = sender.tell("workflow_run", workflow_run(second))
    assert word_on(late, target) == "older"
    deploy = Deploy.objects.get(revision=third)
    lifecycle.end(deploy, "partial", "7 of 8 hosts.")
    again = sender.tell("workflow_run", workflow_run(second, name="other"))
    assert word_on(again, target) == "older"


def test_a_branch_that_was_pushed_by_force_still_deploys(
    sender: Sender, target: Target, repository: Repository
) -> None:
    base = head(repository)
    gone = repository.commit({"a": "2"})
    make_live(target, gone)
    repository.git("reset", "--hard", "-q", base)
    other = repository.commit({"b": "2"})
    assert word_on(sender.tell("workflow_run", workflow_run(other)), target) == "deployed"


def test_three_days_late_and_rolled_back_since_it_stays_so(
    sender: Sender, target: Target, repository: Repository
) -> None:
    old, new = head(repository), repository.commit({"a": "2"})
    builders.make_deploy(target=target, revision=new)
    back = builders.make_deploy(target=target, revision=old, kind="rollback")
    assert Standing.objects.get(target=target).live == back
    late = sender.tell("workflow_run", workflow_run(new))
    assert word_on(late, target) == "duplicate"
    assert Deploy.objects.filter(trigger="hook").count() == 0


def test_who_is_overtaken_between_the_question_and_the_answer_is_refused(
    sender: Sender, target: Target, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While this one was looked at, another worker asked for a newer commit."""
    old, new = head(repository), repository.commit({"a": "2"})

    def look_and_be_overtaken(*facts: object) -> object:
        found = look_at(*facts)  # type: ignore[arg-type]
        lifecycle.request_deploy(target=target, ref="main", by=None, automatic=True)
        return found

    monkeypatch.setattr(deciding, "look", look_and_be_overtaken)
    late = sender.tell("workflow_run", workflow_run(old))
    assert word_on(late, target) == "older"
    assert [deploy.revision for deploy in Deploy.objects.all()] == [new]


def test_a_lock_holds_it_and_a_newer_one_replaces_it(sender: Sender, target: Target, repository: Repository) -> None:
    ben = builders.make_user(username="ben")
    scope = locks.find(target.slug, viewer=None)
    lock = locks.acquire(scope, by=ben, reason="a demo", until=locks.clock() + timedelta(hours=1))
    first = sender.tell("workflow_run", workflow_run(head(repository)))
    assert word_on(first, target) == "held"
    second = sender.tell("workflow_run", workflow_run(repository.commit({"a": "2"})))
    assert word_on(second, target) == "held"
    old, new = Deploy.objects.order_by("number")
    assert (old.status, new.status, new.met_lock) == ("cancelled", "waiting", lock)
    assert "which is newer" in old.reason


def test_a_worker_that_died_after_it_had_asked_is_made_good(
    sender: Sender, target: Target, repository: Repository
) -> None:
    delivery = sender.tell("workflow_run", workflow_run(head(repository)))
    HookDecision.objects.all().delete()
    HookDelivery.objects.update(due_at=timezone.now(), decision="")
    assert worked(delivery.pk).decision == "deployed"
    assert HookDecision.objects.get().deploy == Deploy.objects.get()


def test_only_one_works_on_it_and_another_goes_on_where_it_died(
    sender: Sender, target: Target, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(working, "decide", die)
        with pytest.raises(KeyboardInterrupt):
            sender.tell("workflow_run", workflow_run(head(repository)))
    (delivery,) = HookDelivery.objects.all()
    working.work(delivery.pk)
    assert not Deploy.objects.exists(), "its claim has not lapsed"
    HookDelivery.objects.update(due_at=timezone.now() - working.REST)
    working.look()
    assert Deploy.objects.count() == 1


def test_while_the_repository_is_away_it_is_tried_again(sender: Sender, target: Target, repository: Repository) -> None:
    revision = head(repository)
    away = repository.path.with_suffix(".away")
    repository.path.rename(away)
    repositories._fetched.clear()
    delivery = sender.tell("workflow_run", workflow_run(revision))
    assert (delivery.decision, delivery.attempts) == ("", 1)
    assert "It is tried again." in delivery.told
    assert delivery.due_at is not None
    away.rename(repository.path)
    HookDelivery.objects.update(due_at=timezone.now())
    assert worked(delivery.pk).decision == "deployed"
    lost = sender.source.deliveries.create(received_at=timezone.now() - timedelta(days=2), attempts=3)
    working._again(lost, "It is away.")
    lost.refresh_from_db()
    assert (lost.decision, lost.due_at) == ("failed", None)


def test_what_is_old_is_forgotten_and_what_is_to_do_is_not(sender: Sender, settings: object) -> None:
    now = timezone.now()
    long_ago = now - timedelta(days=31)
    for received, due in ((long_ago, None), (long_ago, now), (now, None)):
        sender.source.deliveries.create(received_at=received, due_at=due, decision="" if due else "noted")
    working.prune()
    kept = list(HookDelivery.objects.order_by("pk").values_list("received_at", "due_at"))
    assert kept == [(long_ago, now), (now, None)]
    settings.HOOK_KEEP_MOST = 3  # type: ignore[attr-defined]
    for _ in range(4):
        sender.source.deliveries.create(received_at=now, decision="noted")
    working.prune()
    assert HookDelivery.objects.count() == 4  # the newest three, and what is to do
