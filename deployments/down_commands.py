"""What changed databases since a release, and how to take it back: shown before a rollback, never run by itself."""

from dataclasses import dataclass

from deployments import recipes
from deployments.models import Deploy, ProgramPhase
from environments.models import Phase


@dataclass(frozen=True, slots=True)
class Migration:
    """A step that `deploy` ran once for a later release; `down` takes it back, "" if nobody said what does."""

    deploy: int
    number: int
    revision: str
    step: str
    down: str


def migrations_since(goal: Deploy) -> list[Migration]:
    """All that ran once for releases newer than that of `goal`, newest first: a rollback to it leaves this as it is."""
    ran = Deploy.objects.filter(
        target=goal.target_id,
        release__gt=goal.release_id,
        runs__programs__phase=ProgramPhase.ONCE,
        runs__programs__result="ok",
    )
    return [
        Migration(deploy.pk, deploy.number, deploy.revision, step["name"], step.get("down_command", ""))
        for deploy in ran.distinct().order_by("-number").only("number", "revision", "recipe")
        if not recipes.is_command(deploy)
        for step in reversed(recipes.step_facts(deploy, Phase.ONCE))
    ]
