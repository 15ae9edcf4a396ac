"""The form of a step: which preset, its parameters, and what is left to the preset."""

from typing import Any, ClassVar

from django import forms
from django.utils.functional import lazy

from environments import preset_docs, presets
from environments.models import Phase, Step

_LEFT = "Left empty: as the preset usually has it."
_TRUTHS = (("", "as the preset usually has it"), ("yes", "yes"), ("no", "no"))


def _truth(value: str) -> bool | None:
    return {"yes": True, "no": False}.get(value)


def _preset_choices() -> list[tuple[str, str]]:
    return [(name, f"{name}: {preset_docs.sentences(preset)[0]}") for name, preset in presets.PRESETS.items()]


class StepForm(forms.ModelForm[Step]):
    """What is left empty in a new step is taken from its preset."""

    preset = forms.ChoiceField(choices=_preset_choices, initial="command")
    phase = forms.ChoiceField(choices=[("", _LEFT), *Phase.choices], required=False)
    time_limit = forms.IntegerField(required=False, min_value=1, max_value=86_400, help_text=f"Seconds. {_LEFT}")
    silence_limit = forms.IntegerField(
        required=False, min_value=1, max_value=86_400, help_text=f"Seconds without a line. {_LEFT}"
    )
    sudo = forms.TypedChoiceField(choices=_TRUTHS, coerce=_truth, empty_value=None, required=False)
    repeatable = forms.TypedChoiceField(
        choices=_TRUTHS,
        coerce=_truth,
        empty_value=None,
        required=False,
        help_text="May run again when nobody knows whether it ran to its end.",
    )
    from_preset = ("phase", "time_limit", "silence_limit", "sudo", "repeatable")

    class Meta:
        model = Step
        fields = [
            "target", "position", "name", "preset", "parameters", "command", "phase", "roles", "time_limit",
            "silence_limit", "sudo", "repeatable",
        ]  # fmt: skip
        help_texts: ClassVar[dict[str, str]] = {"parameters": lazy(preset_docs.as_html, str)()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = {True: "yes", False: "no"}
        for name in self.from_preset:
            value = None if self.instance._state.adding else getattr(self.instance, name)
            self.initial[name] = words[value] if isinstance(value, bool) else value

    def clean_parameters(self) -> Any:
        return self.cleaned_data["parameters"] or {}

    def clean_roles(self) -> Any:
        return self.cleaned_data["roles"] or []

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        preset = presets.PRESETS.get(cleaned.get("preset", ""))
        for name in self.from_preset:
            if preset and cleaned.get(name) in (None, "") and name not in self.errors:
                cleaned[name] = getattr(preset.usual, name)
        return cleaned


class StepRowForm(StepForm):
    """The same among other steps on one page, where what presets ask for is not said once more for each."""

    class Meta(StepForm.Meta):
        help_texts: ClassVar[dict[str, str]] = {
            "parameters": "An object. Open the step by itself to see what each preset asks for."
        }
