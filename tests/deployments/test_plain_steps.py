"""What a list of steps becomes in a recipe."""

from typing import Any

import pytest

from deployments import recipes
from deployments.plain_steps import StepFacts, StepUnusable, plain_steps
from tests.builders import make_step, make_target


def facts(name: str, preset: str = "command", **fields: Any) -> StepFacts:
    usual = {"command": "", "phase": "prepare", "time_limit": 60, "silence_limit": 30, "sudo": False}
    return StepFacts(**{"name": name, "preset": preset, "repeatable": True, **usual, **fields})


def test_a_preset_becomes_plain_commands_with_what_the_step_says() -> None:
    made = plain_steps(
        [facts("restart", "restart-systemd", parameters={"units": ["web"]}, phase="restart", sudo=True, roles=["web"])]
    )
    assert [(it["name"], it["sudo"], it["phase"], it["roles"], it["time_limit"]) for it in made] == [
        ("restart", True, "restart", ["web"], 60),
        ("restart-check", False, "restart", ["web"], 60),
    ]
    assert made[0]["command"] == "systemctl restart web"


def test_the_way_back_is_kept() -> None:
    (made,) = plain_steps(
        [facts("migrate", "database-migration", parameters={"command": "up", "down_command": "down"}, phase="once")]
    )
    assert (made["command"], made["down_command"]) == ("up", "down")


def test_configuration_is_loaded_for_what_comes_after_it_but_not_for_root() -> None:
    made = plain_steps(
        [
            facts("restart", command="restart", phase="restart"),
            facts("before", command="before"),
            facts("load", "load-configuration", parameters={"file": "web.env"}),
            facts("after", command="after"),
            facts("root", command="root", sudo=True),
            facts("migrate", command="migrate", phase="once"),
        ]
    )
    loading = [it["name"] for it in made if it["command"].startswith("if [ -r ")]
    assert loading == ["restart", "after", "migrate"]
    assert "/web.env" in made[0]["command"]


@pytest.mark.django_db
@pytest.mark.both_databases
def test_a_stored_step_that_cannot_be_run_is_named() -> None:
    target = make_target()
    make_step(target=target, name="lint", command="", preset="lint", parameters={"cheks": ["x"]})
    with pytest.raises(StepUnusable, match="The step lint cannot be run as it is: cheks: There is no"):
        recipes.snapshot(target)
