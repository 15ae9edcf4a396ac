"""What a rollback leaves in the database."""

import pytest

from deployments.down_commands import Migration, migrations_since
from deployments.models import Deploy, Program
from environments.models import Target
from tests.builders import make_deploy, make_run, make_target


def deployed(target: Target, *steps: dict[str, object], result: str = "ok") -> Deploy:
    facts = [{"phase": "once", "roles": [], **step} for step in steps]
    deploy = make_deploy(target=target, recipe={"steps": facts})
    for _ in range(2):
        run = make_run(deploy=deploy)
        if steps:
            Program.objects.create(run=run, phase="once", nonce="n", result=result)
    return deploy


@pytest.mark.django_db
@pytest.mark.both_databases
def test_what_ran_for_newer_releases_is_told_newest_first() -> None:
    target = make_target()
    deployed(target, {"name": "older", "down_command": "no"})
    goal = deployed(target, {"name": "own", "down_command": "no"})
    first = deployed(target, {"name": "migrate", "down_command": "down 1"}, {"name": "seed"})
    deployed(target, {"name": "failed", "down_command": "no"}, result="failed step")
    deployed(target)
    deployed(make_target(), {"name": "elsewhere", "down_command": "no"})
    last = deployed(target, {"name": "migrate", "down_command": "down 2"})
    assert migrations_since(goal) == [
        Migration(last.pk, last.number, last.revision, "migrate", "down 2"),
        Migration(first.pk, first.number, first.revision, "seed", ""),
        Migration(first.pk, first.number, first.revision, "migrate", "down 1"),
    ]
    assert migrations_since(last) == []
