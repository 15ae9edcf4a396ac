"""The folder of presets as a whole: found by being there, documented, tested, and strict about their parameters."""

import dataclasses
import inspect
import shlex
from pathlib import Path

import pytest

from environments import preset_docs, presets
from environments.phases import Phase
from environments.presets import PRESETS

ROOT = Path(__file__).parents[3]
HOSTILE = "it's $(touch canary) `touch canary`; touch canary & \\"


def test_each_file_is_a_preset_with_a_test() -> None:
    files = {path.stem for path in (ROOT / "environments/presets").glob("*.py")} - {"__init__"}
    assert set(PRESETS) == {name.replace("_", "-") for name in files}
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} - {"presets"}
    assert tests == files


@pytest.mark.parametrize("name", PRESETS)
def test_each_says_what_it_does_and_its_example_works(name: str) -> None:
    preset = PRESETS[name]
    assert inspect.cleandoc(preset.__doc__ or "").partition("\n")[0].endswith(".")
    assert all(it.help.endswith(".") and it.words for it in preset.parameters())
    assert preset.usual.phase in preset.phases
    assert preset.usual.silence_limit <= preset.usual.time_limit
    made = preset.make(preset.example)
    commands = made.commands()
    assert commands
    assert len({command.name for command in commands}) == len(commands)
    assert {it.name for it in dataclasses.fields(preset) if it.default is dataclasses.MISSING} <= set(preset.example)


@pytest.mark.parametrize("name", PRESETS)
def test_a_value_that_is_no_text_number_or_list_is_refused_everywhere(name: str) -> None:
    preset = PRESETS[name]
    for parameter in preset.parameters():
        wrongs: list[object] = [None, 1.5, {"a": 1}, [[]], "nul\0", -1, *([] if parameter.default == "" else [""])]
        for wrong in wrongs:
            with pytest.raises(presets.WrongParameters) as refused:
                preset.make({**preset.example, parameter.name: wrong})
            assert parameter.name in refused.value.problems


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_parameter_takes_is_only_ever_quoted(name: str) -> None:
    """But for parameters that are commands of a person's own, which are what they are."""
    preset = PRESETS[name]
    for parameter in preset.parameters():
        if parameter.words in ("a shell command", "a list; each a shell command"):
            continue
        try:
            made = preset.make({**preset.example, parameter.name: HOSTILE})
        except presets.WrongParameters:
            continue
        assert shlex.quote(HOSTILE) in "".join(command.text for command in made.commands())


def test_a_name_that_is_nearly_right_is_helped() -> None:
    with pytest.raises(presets.UnknownPreset, match="'restart-systemd'"):
        presets.find("restart-systmd")
    with pytest.raises(presets.WrongParameters, match="did you mean 'units'"):
        presets.make("restart-systemd", {"unit": ["x"]}, "", Phase.RESTART)


@pytest.mark.parametrize(
    ("name", "parameters", "command", "phase", "says"),
    [
        ("command", {}, "", Phase.PREPARE, "shell command"),
        ("command", {"command": "x"}, "x", Phase.PREPARE, "its command is the step's own"),
        ("lint", {"checks": ["x"]}, "rm", Phase.PREPARE, "Leave it empty"),
        ("lint", {}, "", Phase.PREPARE, "checks: This is needed"),
        ("lint", {"checks": ["x"]}, "", Phase.AFTER, "runs in the phase prepare, not in after"),
        ("database-migration", {"command": "x"}, "", Phase.PREPARE, "runs in the phase once"),
        ("cache-clear", {}, "", Phase.RESTART, "nothing to do"),
    ],
)
def test_a_step_that_does_not_fit_its_preset_is_refused(
    name: str, parameters: dict[str, object], command: str, phase: str, says: str
) -> None:
    with pytest.raises(presets.PresetError, match=says):
        presets.make(name, parameters, command, phase)


def test_the_documentation_is_what_the_presets_say() -> None:
    document = (ROOT / "docs/steps.md").read_text()
    assert preset_docs.as_markdown() in document, "Put the output of `manage.py presets` into docs/steps.md."
