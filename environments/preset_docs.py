"""The documentation of presets, made from the presets themselves."""

import inspect
import json
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from environments.preset import Parameter, Preset
from environments.presets import PRESETS


def sentences(preset: type[Preset]) -> tuple[str, str]:
    """What the preset does in a sentence, and what else there is to know."""
    first, _, rest = inspect.cleandoc(preset.__doc__ or "").partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split())


def as_markdown() -> str:
    """A section for each preset, as it stands in docs/steps.md."""
    return "\n".join(_section(name, preset) for name, preset in PRESETS.items())


def as_html() -> SafeString:
    """The same in short, for the form of a step."""
    rows = ((name, sentences(preset)[0], _parameters(preset), _example(preset)) for name, preset in PRESETS.items())
    return format_html(
        "<details><summary>The presets and their parameters</summary><dl>{}</dl></details>",
        format_html_join("", "<dt><b>{}</b></dt><dd>{} {}<br><code>{}</code></dd>", rows),
    )


@dataclass(frozen=True)
class Section:
    """A preset as its page shows it."""

    name: str
    first: str
    rest: str
    usual: str
    parameters: tuple[tuple[Parameter, str], ...]
    example: str


def sections() -> list[Section]:
    """The same for the page of steps: each parameter with its default in words."""
    return [
        Section(
            name=name,
            first=sentences(preset)[0],
            rest=sentences(preset)[1],
            usual=", ".join(_usual(preset)),
            parameters=tuple((it, _default(it).removeprefix("; ").strip("`")) for it in preset.parameters()),
            example=_example(preset),
        )
        for name, preset in PRESETS.items()
    ]


def _section(name: str, preset: type[Preset]) -> str:
    first, rest = sentences(preset)
    table = ["| parameter | takes | |", "|---|---|---|"]
    table += [f"| `{it.name}` | {it.words}{_default(it)} | {it.help} |" for it in preset.parameters()]
    lines = [f"### {name}", "", first, *(["", rest] if rest else []), "", f"Usual: {', '.join(_usual(preset))}.", ""]
    return "\n".join([*lines, *table, "", f"    {_example(preset)}", ""])


def _usual(preset: type[Preset]) -> list[str]:
    """What a step of it has unless somebody says otherwise."""
    usual = preset.usual
    facts = [f"phase {usual.phase.value}"]
    if len(preset.phases) > 1:
        facts[0] += f" (or {', '.join(it.value for it in preset.phases if it != usual.phase)})"
    facts += ["with sudo"] if usual.sudo else []
    facts += [] if usual.repeatable else ["not repeatable"]
    facts += [f"time limit {usual.time_limit} s", f"silence limit {usual.silence_limit} s"]
    return facts


def _default(parameter: Parameter) -> str:
    if parameter.needed:
        return "; needed"
    value = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    return "" if value in ("", []) else f"; `{json.dumps(value)}`"


def _parameters(preset: type[Preset]) -> str:
    return " ".join(f"{it.name}: {it.words}{' (needed)' if it.needed else ''}. {it.help}" for it in preset.parameters())


def _example(preset: type[Preset]) -> str:
    return json.dumps(preset.example)
