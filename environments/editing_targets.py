"""Making a target, and changing it: where it lies on hosts, what is linked, which steps run.

TargetError
├── TargetWrong      values that cannot be; `problems` says which, as `root` or `steps.2.parameters.units`
└── TargetTaken      this application has a target in that environment already
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction

from environments import access, observing, presets
from environments.models import Application, Environment, Host, OnFailure, Step, Target, User
from environments.preset import PresetError, WrongParameters
from notifications import events


class TargetError(Exception):
    """`str()` is the sentence for every door."""


class TargetWrong(TargetError):
    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(
            " ".join(f"{where}: {text}" for where, text in self.problems.items()) + " Nothing was changed."
        )


class TargetTaken(TargetError):
    pass


@dataclass(frozen=True)
class StepPlan:
    """A step as somebody wants it; what is None is as its preset usually has it."""

    name: str
    preset: str = "command"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    phase: str = ""
    sudo: bool | None = None
    time_limit: int | None = None
    silence_limit: int | None = None
    repeatable: bool | None = None
    roles: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """As the columns of a step. Raises UnknownPreset."""
        usual = presets.find(self.preset).usual
        limit = usual.time_limit if self.time_limit is None else self.time_limit
        silence = min(usual.silence_limit, limit) if self.silence_limit is None else self.silence_limit
        return {
            "name": self.name,
            "preset": self.preset,
            "parameters": dict(self.parameters),
            "command": self.command,
            "phase": self.phase or usual.phase.value,
            "roles": list(self.roles),
            "time_limit": limit,
            "silence_limit": silence,
            "sudo": usual.sudo if self.sudo is None else self.sudo,
            "repeatable": usual.repeatable if self.repeatable is None else self.repeatable,
        }


@dataclass(frozen=True)
class TargetPlan:
    """A target as somebody wants it."""

    root: str
    user: str
    keep: int = 5
    linked_dirs: tuple[str, ...] = ()
    linked_files: tuple[str, ...] = ()
    path_prepend: tuple[str, ...] = ()
    shell: str = "sh -c"
    role: str = ""
    labels: tuple[str, ...] = ()  # `name=value`; hosts have all of them
    umask: str = "022"
    needed: int = 50  # percent of all hosts that must be prepared before any switches
    needed_per_region: int = 0
    on_failure: str = OnFailure.QUARANTINE.value
    catch_up: bool = False
    drift_minutes: int = 15  # 0: hosts are not asked what they run
    command: str = ""  # runs on `runner`, a host's name, instead of laying releases out
    command_time_limit: int = 3600  # seconds
    runner: str = ""
    steps: tuple[StepPlan, ...] = ()

    def fields(self) -> dict[str, Any]:
        """As the columns of a target. Raises TargetWrong for a runner that there is not."""
        found = {name: value for name, value in asdict(self).items() if name != "steps"}
        found["runner"] = _find_runner(self.runner)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def add_target(application: Application, environment: Environment, wanted: TargetPlan, *, by: User | None) -> Target:
    """Raises TargetError, NotAllowed; then nothing was made."""
    access.require(by, access.MAINTAIN, application=application, environment=environment)
    target = Target(application=application, environment=environment, **wanted.fields())
    _check_runner(target, by)
    steps = _checked(target, wanted.steps)
    try:
        with transaction.atomic():
            target.save()
            _write_steps(target, steps)
            _record("target.added", target, by, root=target.root, steps=[step.name for step in steps])
    except IntegrityError:
        raise TargetTaken(f"{application.name} is deployed to {environment.name} already. Nothing was made.") from None
    return target


def change_target(target: Target, wanted: TargetPlan, *, by: User | None) -> None:
    """What runs already goes on as it began. Raises TargetError, NotAllowed."""
    access.require(by, access.MAINTAIN, target)
    fields = wanted.fields()
    changed = sorted(name for name, value in fields.items() if getattr(target, name) != value)
    before = [_facts(step) for step in target.steps.all()]
    for name, value in fields.items():
        setattr(target, name, value)
    if "runner" in changed:
        _check_runner(target, by)
    steps = _checked(target, wanted.steps)
    if [_facts(step) for step in steps] != before:
        changed.append("steps")
    if not changed:
        return
    with transaction.atomic():
        target.save(update_fields=list(fields))
        _write_steps(target, steps)
        _record("target.changed", target, by, changed=changed, steps=[step.name for step in steps])


def plan_of(target: Target) -> TargetPlan:
    """A target as it is."""
    names = [name for name in TargetPlan.__dataclass_fields__ if name not in ("steps", "runner")]
    values = {name: getattr(target, name) for name in names} | {"runner": target.runner.name if target.runner else ""}
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return TargetPlan(**plain, steps=tuple(_plan_of_step(step) for step in target.steps.all()))


def _find_runner(name: str) -> Host | None:
    found = Host.objects.filter(name=name).first() if name else None
    if name and found is None:
        raise TargetWrong({"runner": f"There is no host {name} to run the command on."})
    if found is not None and found.observed:
        raise TargetWrong({"runner": observing.tell([found])})
    return found


def _check_runner(target: Target, by: User | None) -> None:
    """Who maintains a target runs what they like on its hosts, but only there."""
    runner = target.runner
    if runner is None or access.allows(by, access.ADMINISTER) or by is None:
        return
    if not runner.memberships.filter(environment=target.environment).exists():
        raise TargetWrong(
            {"runner": f"{runner.name} is no host of {target.environment.name}. Ask an administrator to choose it."}
        )


def _plan_of_step(step: Step) -> StepPlan:
    return StepPlan(
        step.name,
        step.preset,
        step.parameters,
        step.command,
        step.phase,
        step.sudo,
        step.time_limit,
        step.silence_limit,
        step.repeatable,
        tuple(step.roles),
    )


def _facts(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in StepPlan.__dataclass_fields__}


def _checked(target: Target, plans: Sequence[StepPlan]) -> list[Step]:
    """The steps, unsaved. Raises TargetWrong with all problems of the target and of each step."""
    problems: dict[str, str] = {}
    try:
        target.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        problems |= {
            "command" if name == NON_FIELD_ERRORS else name: texts[0] for name, texts in error.message_dict.items()
        }
    steps: list[Step] = []
    for number, plan in enumerate(plans):
        try:
            step = Step(position=number + 1, **plan.fields())
            step.clean_fields(exclude=["target"])
            presets.make(plan.preset, plan.parameters, plan.command, step.phase)
            step.clean()
            steps.append(step)
        except ValidationError as error:
            problems |= {f"steps.{number}.{name}": texts[0] for name, texts in error.message_dict.items()}
        except WrongParameters as error:
            problems |= {f"steps.{number}.parameters.{name}": text for name, text in error.problems.items()}
        except PresetError as error:
            problems[f"steps.{number}.preset"] = str(error)
        if plan.name in {other.name for other in plans[:number]}:
            problems[f"steps.{number}.name"] = f"There is a step {plan.name} before it already."
    if problems:
        raise TargetWrong(problems)
    return steps


def _write_steps(target: Target, steps: Sequence[Step]) -> None:
    """By name: a step that stays keeps its row."""
    there = {step.name: step.pk for step in target.steps.all()}
    target.steps.exclude(name__in=[step.name for step in steps]).delete()
    for step in steps:
        step.target, step.pk = target, there.get(step.name)
        step.save()


def _record(kind: str, target: Target, by: User | None, **facts: Any) -> None:
    events.record(
        kind,
        by.username if by else "",
        application=target.application.name,
        environment=target.environment.name,
        **facts,
    )
