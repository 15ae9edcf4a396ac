"""Making targets and changing them: all of it or nothing, and what is wrong by its place."""

import dataclasses
from typing import Any

import pytest

from environments import approval_rules, editing_targets, teams
from environments.access import NotAllowed
from environments.editing_targets import StepPlan, TargetPlan, TargetTaken, TargetWrong
from environments.models import Role, Step, Target, User
from notifications.models import Event
from tests import builders

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
PLAN = TargetPlan(
    root="~/shop",
    user="deploy",
    keep=3,
    linked_dirs=("log",),
    steps=(
        StepPlan("build", command="make"),
        StepPlan("restart", "restart-systemd", {"units": ["shop.service"]}),
    ),
)


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR)


def add(ada: User, plan: TargetPlan = PLAN) -> Target:
    application, environment = builders.make_application(name="shop"), builders.make_environment(name="production")
    return editing_targets.add_target(application, environment, plan, by=ada)


def test_what_a_step_does_not_say_is_as_its_preset_has_it(ada: User) -> None:
    target = add(ada)
    build, restart = target.steps.all()
    assert (build.phase, build.sudo, build.position, build.command) == ("prepare", False, 1, "make")
    assert (restart.phase, restart.sudo, restart.parameters) == ("restart", True, {"units": ["shop.service"]})
    event = Event.objects.get(kind="target.added")
    assert (event.application, event.environment, event.facts["steps"]) == ("shop", "production", ["build", "restart"])
    assert editing_targets.plan_of(Target.objects.get()).fields() == PLAN.fields()


def test_there_is_one_target_of_an_application_in_an_environment(ada: User) -> None:
    target = add(ada)
    with pytest.raises(TargetTaken):
        editing_targets.add_target(target.application, target.environment, PLAN, by=ada)
    assert Step.objects.count() == 2


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_made(ada: User) -> None:
    wrong = TargetPlan(
        root="/srv",
        user="a b",
        keep=1,
        linked_dirs=("../x",),
        steps=(
            StepPlan("build", command=""),
            StepPlan("Restart", "restart-systemd", {"units": ["a b"], "settle": 900}),
            StepPlan("build", command="true", phase="prepare", time_limit=10, silence_limit=20),
            StepPlan("check", "restart-systemd", {"units": ["x"]}, phase="prepare"),
        ),
    )
    with pytest.raises(TargetWrong) as refused:
        add(ada, wrong)
    assert set(refused.value.problems) == {
        "root", "user", "keep", "linked_dirs", "steps.0.parameters.command", "steps.1.name",
        "steps.2.silence_limit", "steps.2.name", "steps.3.preset",
    }  # fmt: skip
    assert not Target.objects.exists()
    with pytest.raises(TargetWrong) as refused:
        add_again(ada, dataclasses.replace(PLAN, steps=(StepPlan("r", "restart-systemd", {"units": ["a b"]}),)))
    assert set(refused.value.problems) == {"steps.0.parameters.units"}


def add_again(ada: User, plan: TargetPlan) -> None:
    target = builders.make_target()
    editing_targets.change_target(target, plan, by=ada)


def test_steps_are_changed_by_their_names(ada: User) -> None:
    target = add(ada)
    restart = target.steps.get(name="restart")
    steps = (PLAN.steps[1], StepPlan("smoke", command="bin/smoke", phase="after"))
    editing_targets.change_target(target, dataclasses.replace(PLAN, keep=9, steps=steps), by=ada)
    assert list(target.steps.values_list("name", "position")) == [("restart", 1), ("smoke", 2)]
    assert target.steps.get(name="restart").pk == restart.pk
    event = Event.objects.get(kind="target.changed")
    assert event.facts["changed"] == ["keep", "steps"]


def test_a_change_of_nothing_is_none(ada: User) -> None:
    target = add(ada)
    editing_targets.change_target(target, editing_targets.plan_of(target), by=ada)
    assert not Event.objects.filter(kind="target.changed").exists()


def test_a_change_sets_no_counter_back(ada: User) -> None:
    target = add(ada)
    Target.objects.update(last_number=7, fence=9)
    editing_targets.change_target(target, dataclasses.replace(PLAN, keep=4), by=ada)
    target.refresh_from_db()
    assert (target.last_number, target.fence, target.keep) == (7, 9, 4)


def test_who_saves_an_old_row_takes_no_rule_back(ada: User) -> None:
    old = add(ada)
    team = teams.make("release", by=ada)
    approval_rules.set_approvals(Target.objects.get(), number=2, team=team, hours=9, by=ada)
    old.keep = 8
    old.save()
    fresh = Target.objects.get()
    assert (fresh.keep, fresh.approvals, fresh.approvers, fresh.approval_hours) == (8, 2, team, 9)


def test_only_administrators_may(ada: User) -> None:
    target = add(ada)
    vera = builders.make_user(role=Role.DEPLOYER)
    with pytest.raises(NotAllowed):
        editing_targets.change_target(target, PLAN, by=vera)
    with pytest.raises(NotAllowed):
        editing_targets.add_target(target.application, builders.make_environment(), PLAN, by=vera)


def test_a_maintainer_runs_commands_on_hosts_of_the_target_alone(ada: User) -> None:
    target = add(ada)
    mia = builders.make_user(role=Role.MAINTAINER)
    own, foreign = builders.make_host(environment=target.environment), builders.make_host()
    wanted = dataclasses.replace(PLAN, command="id", runner=foreign.name)
    with pytest.raises(TargetWrong) as refused:
        editing_targets.change_target(Target.objects.get(), wanted, by=mia)
    assert set(refused.value.problems) == {"runner"}
    editing_targets.change_target(Target.objects.get(), dataclasses.replace(wanted, runner=own.name), by=mia)
    assert Target.objects.get().runner == own
    editing_targets.change_target(Target.objects.get(), wanted, by=ada)
    with pytest.raises(TargetWrong) as refused:
        editing_targets.change_target(Target.objects.get(), dataclasses.replace(wanted, runner="none-such"), by=ada)
    assert set(refused.value.problems) == {"runner"}
    with pytest.raises(TargetWrong) as refused:
        editing_targets.change_target(Target.objects.get(), dataclasses.replace(wanted, runner=""), by=ada)
    assert set(refused.value.problems) == {"command"}


def test_thresholds_and_what_becomes_of_failures_are_part_of_it(ada: User) -> None:
    target = add(ada)
    more: dict[str, Any] = {
        "needed": 90,
        "needed_per_region": 10,
        "on_failure": "abort",
        "catch_up": True,
        "drift_minutes": 0,
        "umask": "027",
    }
    editing_targets.change_target(target, dataclasses.replace(PLAN, **more), by=ada)
    assert Target.objects.values(*more).get() == more
    with pytest.raises(TargetWrong) as refused:
        editing_targets.change_target(target, dataclasses.replace(PLAN, needed=101, on_failure="x", umask="9"), by=ada)
    assert set(refused.value.problems) == {"needed", "on_failure", "umask"}
