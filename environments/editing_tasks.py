"""The named commands of a target, which people run between deploys.

TaskWrong    values that cannot be; `problems` says which, as `tasks.0.command`
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from environments import access
from environments.models import Target, Task, User
from notifications import events


class TaskWrong(Exception):
    """`str()` is the sentence for every door."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(
            " ".join(f"{where}: {text}" for where, text in self.problems.items()) + " Nothing was changed."
        )


@dataclass(frozen=True)
class TaskPlan:
    """A task as somebody wants it."""

    name: str
    command: str
    description: str = ""
    parameters: tuple[Mapping[str, Any], ...] = ()  # what is asked for, as `Task.parameters` tells
    roles: tuple[str, ...] = ()  # empty: all hosts
    time_limit: int = 600  # seconds
    silence_limit: int = 300
    sudo: bool = False
    repeatable: bool = False

    def fields(self) -> dict[str, Any]:
        """As the columns of a task."""
        return asdict(self) | {"parameters": [dict(one) for one in self.parameters], "roles": list(self.roles)}


def plans_of(target: Target) -> tuple[TaskPlan, ...]:
    """The tasks as they are, in their order."""
    return tuple(
        TaskPlan(**{name: getattr(row, name) for name in TaskPlan.__dataclass_fields__}) for row in target.tasks.all()
    )


def change_tasks(target: Target, wanted: Sequence[TaskPlan], *, by: User | None) -> bool:
    """Have these tasks and no others, in this order; whether something changed. Raises NotAllowed, TaskWrong."""
    access.require(by, access.MAINTAIN, target)
    if [plan.fields() for plan in wanted] == [plan.fields() for plan in plans_of(target)]:
        return False
    rows = _checked(wanted)
    with transaction.atomic():
        there = {row.name: row.pk for row in target.tasks.all()}
        target.tasks.exclude(name__in=[row.name for row in rows]).delete()
        for row in rows:
            row.target, row.pk = target, there.get(row.name)  # a task that stays keeps its row
            row.save()
        events.record(
            "tasks.changed",
            by.username if by else "",
            application=target.application.name,
            environment=target.environment.name,
            tasks=[row.name for row in rows],
        )
    return True


def _checked(wanted: Sequence[TaskPlan]) -> list[Task]:
    problems: dict[str, str] = {}
    rows = []
    for number, plan in enumerate(wanted):
        row = Task(position=number + 1, **plan.fields())
        try:
            row.clean_fields(exclude=["target"])
            row.clean()
        except ValidationError as error:
            problems |= {f"tasks.{number}.{name}": texts[0] for name, texts in error.message_dict.items()}
        if plan.name in {other.name for other in wanted[:number]}:
            problems[f"tasks.{number}.name"] = f"There is a task {plan.name} before it already."
        rows.append(row)
    if problems:
        raise TaskWrong(problems)
    return rows
