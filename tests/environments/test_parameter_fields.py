"""Parameters of presets as fields of a form: what is typed comes back as what the preset takes."""

import pytest

from environments import parameter_fields, presets


def typed_of(name: str, values: dict[str, object]) -> dict[str, str]:
    return {field.name: field.value for field in parameter_fields.show(presets.find(name), values)}


@pytest.mark.parametrize("name", [name for name in presets.PRESETS if name != "command"])
def test_the_example_of_each_preset_survives_the_form(name: str) -> None:
    preset = presets.find(name)
    values = dict(preset.example)
    assert preset.make(parameter_fields.read(preset, typed_of(name, values))) == preset.make(values)


def test_what_is_left_empty_is_left_to_the_preset() -> None:
    preset = presets.find("restart-systemd")
    assert parameter_fields.read(preset, {"units": "a.service\n\nb.service\n", "settle": "", "nonsense": "x"}) == {
        "units": ["a.service", "b.service"]
    }


def test_numbers_and_truths() -> None:
    preset = presets.find("drain-workers")
    assert parameter_fields.read(preset, {"seconds": "30", "kill": "yes"}) == {"seconds": 30, "kill": True}
    with pytest.raises(presets.WrongParameters) as refused:
        preset.make(parameter_fields.read(preset, {"name": "x", "seconds": "soon", "kill": "perhaps"}))
    assert set(refused.value.problems) == {"seconds", "kill"}


def test_each_kind_has_a_control() -> None:
    controls = {field.name: field for field in parameter_fields.show(presets.find("restart-systemd"), {})}
    assert {name: field.control for name, field in controls.items()} == {
        "units": "list", "action": "choice", "scope": "choice", "settle": "number"
    }  # fmt: skip
    assert (controls["units"].needed, controls["settle"].empty, controls["action"].choices[0]) == (True, "2", "restart")
