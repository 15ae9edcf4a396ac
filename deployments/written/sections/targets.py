"""Targets with their steps, tasks, and where their configuration lies. A file takes none away: each has a history."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deployments.marked_values import items
from deployments.marked_yaml import Node
from deployments.written import fields
from deployments.written.fields import Field, read_entry
from deployments.written.section import Entry, Section
from environments import editing_targets, editing_tasks
from environments.configuration import delivering
from environments.configuration.delivering import Delivery
from environments.editing_targets import StepPlan, TargetPlan, TargetWrong
from environments.editing_tasks import TaskPlan
from environments.models import Application, Environment, Step, Target, Task, User
from environments.preset import UnknownPreset

_DAY = 86_400


def _read_parameters(node: Node) -> dict[str, Any]:
    fields.mapping(node)
    plain: dict[str, Any] = node.plain()
    return plain


_STEP: Mapping[str, Field] = {
    "name": fields.text(required=True),
    "preset": fields.text("command"),
    "parameters": Field(_read_parameters, {}),
    "command": fields.text(),
    "phase": fields.text(),
    "sudo": fields.truth(),
    "time_limit": fields.number(1, _DAY, 600),
    "silence_limit": fields.number(1, _DAY, 300),
    "repeatable": fields.truth(),
    "roles": fields.texts(),
}
_TASK: Mapping[str, Field] = {
    "name": fields.text(required=True),
    "command": fields.text(required=True),
    "description": fields.text(),
    "parameters": Field(lambda node: [_read_parameters(item) for item in items(node)], []),
    "roles": fields.texts(),
    "time_limit": fields.number(1, _DAY, 600),
    "silence_limit": fields.number(1, _DAY, 300),
    "sudo": fields.truth(),
    "repeatable": fields.truth(),
}
_DELIVERY: Mapping[str, Field] = {"env": fields.text(), "json": fields.text(), "files": fields.texts()}


def _read_steps(node: Node) -> list[Entry]:
    return [_read_step(item) for item in items(node)]


def _read_step(node: Node) -> Entry:
    said = read_entry(node, _STEP)
    if not said.get("name"):
        raise node.problem("A step needs a name.")
    try:
        return _step_plan(said).fields()
    except UnknownPreset as error:
        raise node.value["preset"].problem(str(error)) from None


def _step_plan(said: Entry) -> StepPlan:
    return StepPlan(**said | {"roles": tuple(said.get("roles", ()))})


def _read_tasks(node: Node) -> list[Entry]:
    found = []
    for item in items(node):
        said = read_entry(item, _TASK)
        for name in ("name", "command"):
            if not said.get(name):
                raise item.problem(f"A task needs a {name}.")
        found.append(_task_plan(said).fields())
    return found


def _task_plan(said: Entry) -> TaskPlan:
    lists = {name: tuple(said.get(name, ())) for name in ("parameters", "roles")}
    return TaskPlan(**said | lists)


def _read_delivery(node: Node) -> Entry:
    usual = {name: field.usual for name, field in _DELIVERY.items()}
    return usual | read_entry(node, _DELIVERY)


_NOTHING_DELIVERED = {"env": "", "json": "", "files": []}
_USUAL = TargetPlan(root="", user="deploy")


class Targets(Section):
    name = "targets"
    models = (Target, Step, Task)
    fields = {
        "root": fields.text(required=True),
        "user": fields.text(_USUAL.user),
        "keep": fields.number(2, 100, _USUAL.keep),
        "linked_dirs": fields.texts(),
        "linked_files": fields.texts(),
        "path_prepend": fields.texts(),
        "shell": fields.text(_USUAL.shell),
        "role": fields.text(),
        "labels": fields.texts(),
        "umask": fields.text(_USUAL.umask),
        "needed": fields.number(0, 100, _USUAL.needed),
        "needed_per_region": fields.number(0, 100, _USUAL.needed_per_region),
        "on_failure": fields.text(_USUAL.on_failure),
        "catch_up": fields.truth(_USUAL.catch_up),
        "drift_minutes": fields.number(0, 32_767, _USUAL.drift_minutes),
        "command": fields.text(),
        "command_time_limit": fields.number(1, _DAY, _USUAL.command_time_limit),
        "runner": fields.text(),
        "steps": Field(_read_steps, []),
        "tasks": Field(_read_tasks, []),
        "configuration": Field(_read_delivery, _NOTHING_DELIVERED),
    }

    def now(self) -> dict[str, Entry]:
        rows = Target.objects.filter(name="").select_related("application", "environment", "runner")
        ordered = rows.prefetch_related("steps", "tasks").order_by("application__name", "environment__position")
        return {row.slug: self._entry(row) for row in ordered}

    def _entry(self, row: Target) -> Entry:
        plan = editing_targets.plan_of(row)
        found = {name: _plain(value) for name, value in asdict(plan).items() if name != "steps"}
        found["steps"] = [step.fields() for step in plan.steps]
        found["tasks"] = [task.fields() for task in editing_tasks.plans_of(row)]
        delivery = Delivery.of(row)
        found["configuration"] = {"env": delivery.env, "json": delivery.json, "files": list(delivery.files)}
        return found

    def write(self, key: str, entry: Entry, before: Entry | None, by: User | None) -> None:
        application, environment = _find(key)
        plain: dict[str, Any] = {
            name: tuple(entry[name]) if isinstance(entry[name], list) else entry[name]
            for name in TargetPlan.__dataclass_fields__
            if name != "steps"
        }
        wanted = TargetPlan(**plain, steps=tuple(map(_step_plan, entry["steps"])))
        if before is None:
            target = editing_targets.add_target(application, environment, wanted, by=by)
        else:
            target = Target.objects.get(application=application, environment=environment, name="")
            editing_targets.change_target(target, wanted, by=by)
        editing_tasks.change_tasks(target, [_task_plan(task) for task in entry["tasks"]], by=by)
        said = entry["configuration"]
        delivering.set_delivery(target, Delivery(said["env"], said["json"], tuple(said["files"])), by=by)

    def shortened(self, entry: Entry) -> Entry:
        found = super().shortened(entry)
        if "steps" in found:
            found["steps"] = [_short_step(step) for step in found["steps"]]
        if "tasks" in found:
            found["tasks"] = [_short(task, TaskPlan(name="", command="").fields()) for task in found["tasks"]]
        if "configuration" in found:
            found["configuration"] = _short(found["configuration"], _NOTHING_DELIVERED)
        return found


def _short_step(step: Entry) -> Entry:
    """What its preset would not say by itself. The usual silence limit follows the time limit."""
    limit = step["time_limit"]
    usual = StepPlan(name="", preset=step["preset"]).fields()
    as_limited = StepPlan(name="", preset=step["preset"], time_limit=limit).fields()
    found = _short(step, usual | {"silence_limit": as_limited["silence_limit"], "preset": "command"})
    return {"name": found.pop("name"), **found}


def _short(entry: Entry, usual: Entry) -> Entry:
    return {name: value for name, value in entry.items() if value != usual[name]}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _find(slug: str) -> tuple[Application, Environment]:
    first, _, second = slug.partition("/")
    application = Application.objects.filter(name=first).first()
    environment = Environment.objects.filter(name=second).first()
    if application is None or environment is None:
        what = f"application {first}" if application is None else f"environment {second}"
        raise TargetWrong({slug: f"A target is written application/environment; there is no {what}."})
    return application, environment
