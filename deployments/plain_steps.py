"""From steps with presets to plain commands, as a recipe keeps them.

StepUnusable    a stored step is not what its preset asks for (any more)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from environments import presets
from environments.models import Phase, Step


class StepUnusable(presets.PresetError):
    pass


@dataclass(frozen=True)
class StepFacts:
    """A step as a target or a deployer.yml has it. `origin`: where it was written, "" for the target's own."""

    name: str
    preset: str
    command: str
    phase: str
    time_limit: int
    silence_limit: int
    sudo: bool
    repeatable: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)
    roles: Sequence[str] = ()
    origin: str = ""

    @classmethod
    def of(cls, step: Step) -> Self:
        names = [name for name in cls.__dataclass_fields__ if name != "origin"]
        return cls(**{name: getattr(step, name) for name in names})


def plain_steps(steps: Sequence[StepFacts]) -> list[dict[str, Any]]:
    """The commands of all steps, in their order, as plain values. Raises StepUnusable."""
    made = [(step, _preset_of(step)) for step in steps]
    early = "".join(preset.prelude() for _, preset in made)  # for what comes after all that is prepared
    prelude, found = "", []
    for step, preset in made:
        found += _commands(step, preset, prelude if step.phase == Phase.PREPARE else early)
        prelude += preset.prelude()
    return found


def _preset_of(step: StepFacts) -> presets.Preset:
    try:
        return presets.make(step.preset, step.parameters, step.command, step.phase)
    except presets.PresetError as error:
        raise StepUnusable(
            f"The step {step.name} cannot be run as it is: {error} Correct it in the settings; nothing was changed."
        ) from None


def _commands(step: StepFacts, preset: presets.Preset, prelude: str) -> list[dict[str, Any]]:
    facts: dict[str, Any] = {
        "preset": step.preset,
        "phase": str(step.phase),
        "roles": list(step.roles),
        "time_limit": step.time_limit,
        "silence_limit": step.silence_limit,
        "repeatable": step.repeatable,
        "origin": step.origin,
    }
    down = getattr(preset, "down_command", "")
    return [
        facts
        | {
            "name": f"{step.name}-{command.name}" if command.name else step.name,
            # root reads nothing that others may write
            "command": command.text if step.sudo and command.sudo else prelude + command.text,
            "sudo": step.sudo and command.sudo,
        }
        | ({"down_command": down} if down else {})
        for command in preset.commands()
    ]
