"""The presets: each file of this folder is one, named after the file. To add one is to add a file (CONTRIBUTING)."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from environments.preset import (
    Command,
    Parameter,
    Preset,
    PresetError,
    UnknownPreset,
    Usual,
    WrongParameters,
    WrongPhase,
    unknown,
)

__all__ = [
    "PRESETS",
    "Command",
    "Parameter",
    "Preset",
    "PresetError",
    "UnknownPreset",
    "Usual",
    "WrongParameters",
    "WrongPhase",
    "find",
    "make",
    "unknown",
]


def _preset_of(module: ModuleType) -> type[Preset]:
    """The one preset that a file of this folder defines."""
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    (found,) = [value for value in own if isinstance(value, type) and issubclass(value, Preset)]
    return found


PRESETS: Mapping[str, type[Preset]] = {
    found.name.replace("_", "-"): _preset_of(importlib.import_module(f"{__name__}.{found.name}"))
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
}


def find(name: str) -> type[Preset]:
    """Raises UnknownPreset."""
    if name not in PRESETS:
        raise UnknownPreset(unknown(name, PRESETS).replace(" here", " among the presets"))
    return PRESETS[name]


def make(name: str, parameters: Mapping[str, Any], command: str, phase: str) -> Preset:
    """The preset of a step with its values. `command` is the step's own, which only the preset `command` has.

    Raises PresetError.
    """
    preset = find(name)
    if phase not in preset.phases:
        fitting = " or ".join(it.value for it in preset.phases)
        raise WrongPhase(f"A step of the preset {name} runs in the phase {fitting}, not in {phase}.")
    if name == "command":
        if parameters:
            raise WrongParameters({"parameters": "The preset command has none; its command is the step's own."})
        return preset.make({"command": command})
    if command:
        raise WrongParameters({"command": f"Leave it empty: the preset {name} says what is run."})
    return preset.make(parameters)
