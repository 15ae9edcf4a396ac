"""What a preset is: a kind of step with typed parameters that becomes plain shell commands.

PresetError
├── UnknownPreset       no preset has this name
├── WrongParameters     values are missing, unknown or not what they should be
└── WrongPhase          this preset does not run in that phase
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from environments.parameters import Kind, WrongValue
from environments.phases import Phase


class PresetError(ValueError):
    """`str()` is the sentence for every door."""


class UnknownPreset(PresetError):
    pass


class WrongParameters(PresetError):
    """`problems`: a sentence by the name of the parameter."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(" ".join(f"{name}: {problem}" for name, problem in problems.items()))


class WrongPhase(PresetError):
    pass


@dataclass(frozen=True)
class Command:
    """One plain command. A preset that has several names the later ones: `restart`, then `restart-check`.

    `sudo`: False for one that needs no sudo even if the step asks for it.
    """

    text: str
    name: str = ""
    sudo: bool = True


@dataclass(frozen=True)
class Usual:
    """What a step of this preset has unless somebody says otherwise. Limits in seconds."""

    phase: Phase = Phase.PREPARE
    time_limit: int = 600
    silence_limit: int = 300
    sudo: bool = False
    repeatable: bool = True


def parameter(kind: Kind, help: str, default: Any = dataclasses.MISSING) -> Any:
    """A field of a preset; without a default, a value is needed."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help})


@dataclass(frozen=True)
class Parameter:
    """A parameter as its documentation shows it."""

    name: str
    words: str
    help: str
    default: Any
    needed: bool


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Subclasses are frozen dataclasses, one per file of `environments/presets/`; their docstring is for users."""

    usual: ClassVar[Usual] = Usual()
    phases: ClassVar[tuple[Phase, ...]] = tuple(Phase)
    example: ClassVar[Mapping[str, Any]] = {}

    def commands(self) -> tuple[Command, ...]:
        """What runs on a host, in the release's folder, as POSIX shell."""
        raise NotImplementedError

    def prelude(self) -> str:
        """Shell text that goes before every later command of the deploy; most have none."""
        return ""

    def problem(self) -> str:
        """What is wrong with the parameters together, as a sentence; "" if nothing is."""
        return ""

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                field.name,
                field.metadata["kind"].words,
                field.metadata["help"],
                None if field.default is dataclasses.MISSING else field.default,
                field.default is dataclasses.MISSING,
            )
            for field in dataclasses.fields(cls)
        )

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Self:
        """Raises WrongParameters."""
        problems = {name: unknown(name, (it.name for it in cls.parameters())) for name in values}
        problems = {name: problem for name, problem in problems.items() if problem}
        cleaned: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            if field.name in values:
                if values[field.name] == "" == field.default:
                    continue  # said in so many words that there is none
                try:
                    cleaned[field.name] = field.metadata["kind"].clean(values[field.name])
                except WrongValue as error:
                    problems[field.name] = str(error)
            elif field.default is dataclasses.MISSING:
                problems[field.name] = f"This is needed: {field.metadata['kind'].words}."
        if problems:
            raise WrongParameters(problems)
        made = cls(**cleaned)
        if made.problem():
            raise WrongParameters({"parameters": made.problem()})
        return made


def unknown(name: str, known: Iterable[str]) -> str:
    """ "" for a name that is known; else a sentence with the nearest one."""
    names = sorted(known)
    if name in names:
        return ""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"There is no {name!r} here; did you mean {near[0]!r}?"
    return f"There is no {name!r} here; known are: {', '.join(names)}." if names else "Nothing is asked for here."
