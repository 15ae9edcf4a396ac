"""Approving one thing while it becomes another: nothing starts without the approvals of exactly what it is."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from deployments import approvals, doorbell, engine, lifecycle, plan
from deployments.lifecycle import LifecycleError
from deployments.models import Approval, Deploy
from environments import approval_rules, teams
from environments.models import Step, Target
from tests import builders
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import end

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
ROUNDS = 6


@pytest.fixture(autouse=True)
def nobody_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "publish", lambda task, args: True)


def at_once(*acts: Callable[[], object]) -> None:
    together = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        try:
            together.wait(60)
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(run, act) for act in acts]:
            done.result()


def to_nobody(deploy_id: int, do: plan.Do) -> None:
    """No worker takes work on hosts."""


def test_approvals_race_with_changes_and_starts(make_place: MakeFleetTarget) -> None:
    place = make_place(hosts=1, steps=[{"name": "migrate", "command": "true"}])
    target, asker = place.target, place.by
    people = [builders.make_user(username=f"approver-{number}") for number in range(3)]
    team = teams.make("release", by=None)
    for person in (*people, asker):
        teams.add_member(team, person, by=None)
    approval_rules.set_approvals(target, number=2, team=team, hours=1, by=None)

    def ask() -> Deploy:
        fresh = Target.objects.select_related("application", "environment", "approvers").get(pk=target.pk)
        return lifecycle.request_deploy(target=fresh, ref="main", by=asker, wait=True)

    def approver(number: int, seen: str, deploy: Deploy) -> Callable[[], object]:
        def act() -> None:
            one = Deploy.objects.select_related("target__application", "target__environment").get(pk=deploy.pk)
            try:
                lifecycle.approve(one, by=(*people, asker)[number], subject=seen)
            except LifecycleError:
                assert number == 3 or one.pk != deploy.pk or seen != deploy.subject

        return act

    def change(number: int) -> Callable[[], object]:
        return lambda: Step.objects.filter(target=target).update(command=f"true {number}")

    for number in range(ROUNDS):
        first = ask()
        # the last two look at the first, and answer for the second
        acts = [approver(0, first.subject, first), approver(3, first.subject, first), change(number), ask]
        at_once(*acts, partial(engine.advance, first.pk, offer=to_nobody))
        second = Deploy.objects.filter(target=target).latest("number")
        at_once(
            approver(1, first.subject, second),
            approver(2, first.subject, first),
            approver(0, second.subject, second),
            partial(engine.advance, first.pk, offer=to_nobody),
        )
        engine.advance(second.pk, offer=to_nobody)
        for row in Deploy.objects.filter(target=target, started_at__isnull=False, finished_at=None):
            end(row, live=1)
    started = Deploy.objects.filter(target=target, started_at__isnull=False)
    assert started.count() >= ROUNDS
    for deploy in started.select_related("target", "release"):
        subject = approvals.subject_of(deploy)
        given = set(Approval.objects.filter(subject=subject, approved=True).values_list("by", flat=True))
        assert len(given - {asker.pk}) >= 2
    assert not Approval.objects.filter(by=asker).exists()
