"""The form of a target: what is shown, and what was typed as a plan. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from environments import parameter_fields, preset_docs, presets
from environments.editing_targets import StepPlan, TargetPlan
from environments.parameter_fields import ParameterField
from environments.phases import Phase
from environments.proposals import Proposal

TITLES = {
    Phase.PREPARE: "Before the switch, on every host",
    Phase.ONCE: "Once, on one host, before the switch",
    Phase.RESTART: "Restart, right after the switch",
    Phase.AFTER: "Afterwards, on every host",
    Phase.STOP: "When an endpoint is taken away",
}
_WORDS = {"yes": True, "no": False}


@dataclass
class StepCard:
    """A step as its card shows it. `number` names its fields; `taken` is False for a proposal that needs a look."""

    number: int
    name: str
    preset: str
    title: str
    about: str
    fields: list[ParameterField]
    command: str
    phase: str
    phases: list[tuple[str, str]]
    sudo: bool
    repeatable: bool
    time_limit: int
    silence_limit: int
    roles: str = ""
    why: str = ""
    taken: bool = True
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The step in one line: its command, or what its preset is told."""
        text = self.command or next((it.value for it in self.fields if it.value), "")
        return " ".join(text.split())


def card(number: int, plan: StepPlan, *, why: str = "", taken: bool = True) -> StepCard:
    preset = presets.find(plan.preset)
    facts = plan.fields()
    return StepCard(
        number,
        plan.name,
        plan.preset,
        title_of(plan.preset),
        preset_docs.sentences(preset)[0],
        [] if plan.preset == "command" else parameter_fields.show(preset, plan.parameters),
        plan.command,
        facts["phase"],
        [(phase.value, TITLES[phase]) for phase in preset.phases],
        facts["sudo"],
        facts["repeatable"],
        facts["time_limit"],
        facts["silence_limit"],
        " ".join(plan.roles),
        why,
        taken,
    )


def title_of(preset: str) -> str:
    return "A command" if preset == "command" else preset.replace("-", " ").capitalize().replace("Php", "PHP")


def choices() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Presets by the phase that they usually run in: name, title, and what each does."""
    found: dict[Phase, list[tuple[str, str, str]]] = {phase: [] for phase in Phase}
    for name, preset in presets.PRESETS.items():
        found[preset.usual.phase].append((name, title_of(name), preset_docs.sentences(preset)[0]))
    return [(TITLES[phase], rows) for phase, rows in found.items() if rows]


def cards_of(plans: Iterable[StepPlan]) -> list[StepCard]:
    return [card(number, plan) for number, plan in enumerate(plans)]


def cards_again(typed: QueryDict, problems: Mapping[str, str]) -> list[StepCard]:
    """What was typed, also of steps that are not taken, with the problems of `TargetWrong`, by the place among those
    that are."""
    known = [number for number in typed.getlist("step") if typed.get(f"step-{number}-preset") in presets.PRESETS]
    cards = [card(place, _step(typed, number)) for place, number in enumerate(known)]
    for it, number in zip(cards, known, strict=True):
        it.taken = _is_taken(typed, number)
    taken = [it for it in cards if it.taken]
    for where, text in problems.items():
        if where.startswith("steps."):
            _, place, name = where.split(".", 2)
            # a field of the preset by its own name, what is about all of them as parameters
            own = name.removeprefix("parameters.")
            taken[int(place)].problems[own] = text
    return cards


def cards_proposed(proposal: Proposal) -> list[StepCard]:
    return [card(number, it.step, why=it.why, taken=it.sure) for number, it in enumerate(proposal.steps)]


def read(typed: QueryDict) -> TargetPlan:
    """What was typed, unchecked: the verb says what is wrong with it. Steps come in the order of their cards."""
    return TargetPlan(
        root=typed.get("root", "").strip(),
        user=typed.get("user", "").strip(),
        keep=_number(typed.get("keep", "")) or 0,
        linked_dirs=_lines(typed.get("linked_dirs", "")),
        linked_files=_lines(typed.get("linked_files", "")),
        path_prepend=_lines(typed.get("path_prepend", "")),
        shell=typed.get("shell", "").strip() or "sh -c",
        role=typed.get("role", "").strip(),
        labels=tuple(filter(None, map(str.strip, typed.get("labels", "").split(",")))),
        **_more(typed),
        steps=tuple(_step(typed, number) for number in typed.getlist("step") if _is_taken(typed, number)),
    )


def _more(typed: QueryDict) -> dict[str, Any]:
    """What the form folds away. A form of before this was asked for does not say it."""
    if "on_failure" not in typed:
        return {}

    def said(name: str) -> str:
        return typed.get(name, "").replace("\r\n", "\n").strip()

    counted = {name: _number(said(name)) for name in ("needed", "needed_per_region", "drift_minutes")}
    return {
        "umask": said("umask") or TargetPlan.umask,
        **{name: -1 if number is None else number for name, number in counted.items()},  # -1: the verb says so
        "on_failure": said("on_failure"),
        "catch_up": bool(said("catch_up")),
        "command": said("command"),
        "command_time_limit": _number(said("command_time_limit")) or 0,
        "runner": said("runner"),
    }


def _is_taken(typed: QueryDict, number: str) -> bool:
    """A preset that there is not comes from no form of ours."""
    return bool(typed.get(f"step-{number}-taken")) and typed.get(f"step-{number}-preset") in presets.PRESETS


def _step(typed: QueryDict, number: str) -> StepPlan:
    def said(name: str) -> str:
        return typed.get(f"step-{number}-{name}", "").replace("\r\n", "\n").strip()

    name = said("preset")
    begin = f"step-{number}-p-"
    values = {key.removeprefix(begin): typed.get(key, "") for key in typed if key.startswith(begin)}
    parameters: dict[str, Any] = {} if name == "command" else parameter_fields.read(presets.find(name), values)
    return StepPlan(
        name=said("name"),
        preset=name,
        parameters=parameters,
        command=said("command") if name == "command" else "",
        phase=said("phase"),
        sudo=_WORDS.get(said("sudo")),
        repeatable=_WORDS.get(said("repeatable")),
        time_limit=_number(said("time_limit")),
        silence_limit=_number(said("silence_limit")),
        roles=tuple(said("roles").split()),
    )


def _lines(text: str) -> tuple[str, ...]:
    found = (
        line.strip().strip("/") if not line.strip().startswith("/") else line.strip() for line in text.splitlines()
    )
    return tuple(dict.fromkeys(line for line in found if line))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
