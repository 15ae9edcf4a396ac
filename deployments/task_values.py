"""What people enter for a task: checked against what the task asks for. Pure."""

from collections.abc import Mapping
from typing import Any

from deployments.refusals import TaskRefused
from environments.models import Task

LONGEST = 1000
PREFIX = "PARAM_"


def fill(task: Task, given: Mapping[str, str]) -> dict[str, str]:
    """The value of every parameter, by its name; defaults stand in for what was not given. Raises TaskRefused."""
    asked = {parameter["name"]: parameter for parameter in task.parameters}
    unknown = sorted(set(given) - set(asked))
    if unknown:
        raise TaskRefused(f"The task {task.name} does not ask for {', '.join(unknown)}. Nothing was run.")
    return {name: _value(task, parameter, given.get(name, "")) for name, parameter in asked.items()}


def _value(task: Task, parameter: Mapping[str, Any], given: str) -> str:
    label = parameter.get("label") or parameter["name"]
    value = given or str(parameter.get("default", ""))
    choices = parameter.get("choices") or []
    if not value:
        raise TaskRefused(f"The task {task.name} needs a value for “{label}”. Nothing was run.")
    if choices and value not in choices:
        raise TaskRefused(f"{value!r} is none of the choices for “{label}”: {', '.join(choices)}. Nothing was run.")
    if len(value) > LONGEST or not value.isprintable():
        raise TaskRefused(f"“{label}” must be one line of at most {LONGEST} characters. Nothing was run.")
    return value


def variables(values: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of the command: `log-level` becomes `PARAM_LOG_LEVEL`."""
    return {PREFIX + name.upper().replace("-", "_"): value for name, value in values.items()}
