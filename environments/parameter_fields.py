"""The parameters of a preset as fields of a form: which control, what is typed, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

from environments.parameters import Choice, Kind, Number, Several, Shell, Truth
from environments.preset import Preset


@dataclass(frozen=True)
class ParameterField:
    """`control`: line, text (several lines), list (one to a line), number, choice. `empty` says what nothing means."""

    name: str
    label: str
    help: str
    control: str
    value: str
    needed: bool
    choices: tuple[str, ...] = ()
    empty: str = ""


def show(preset: type[Preset], values: Mapping[str, Any]) -> list[ParameterField]:
    """A field for each parameter, filled with `values`."""
    return [
        _show(field.name, field.metadata["kind"], parameter, values)
        for field, parameter in zip(fields_of(preset), preset.parameters(), strict=True)
    ]


def read(preset: type[Preset], typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed as values for the preset; what was left empty is left out. The preset checks them."""
    kinds: dict[str, Kind] = {field.name: field.metadata["kind"] for field in fields_of(preset)}
    return {name: _value(kinds[name], text) for name, text in typed.items() if name in kinds and text.strip()}


def _show(name: str, kind: Kind, parameter: Any, values: Mapping[str, Any]) -> ParameterField:
    choices = kind.choices if isinstance(kind, Choice) else ("yes", "no") if isinstance(kind, Truth) else ()
    return ParameterField(
        name,
        name.replace("_", " ").capitalize(),
        parameter.help,
        _control(kind),
        _text(values.get(name, "")),
        parameter.needed,
        choices,
        "" if parameter.needed or parameter.default in ("", ()) else _text(parameter.default).replace("\n", ", "),
    )


def _control(kind: Kind) -> str:
    if isinstance(kind, Shell):
        return "text"
    if isinstance(kind, Several):
        return "list"
    if isinstance(kind, Number):
        return "number"
    return "choice" if isinstance(kind, Choice | Truth) else "line"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _value(kind: Kind, text: str) -> Any:
    if isinstance(kind, Several):
        return [_value(kind.kind, line) for line in text.splitlines() if line.strip()]
    if isinstance(kind, Number):
        return int(text) if text.strip().lstrip("-").isdigit() else text
    if isinstance(kind, Truth):
        return {"yes": True, "no": False}.get(text.strip(), text)
    return text.strip() if not isinstance(kind, Shell) else text.replace("\r\n", "\n").strip()
