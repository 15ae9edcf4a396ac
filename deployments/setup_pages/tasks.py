"""The named commands of a target: making them, changing them, putting them in order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from deployments.page_actions import person
from deployments.pages import target_or_404
from deployments.setup_pages.frame import REFUSALS, piece, show
from environments import editing_tasks
from environments.access import MAINTAIN, needs
from environments.addresses import anywhere, of_target
from environments.editing_tasks import TaskPlan, TaskWrong

_QUESTION = re.compile(
    r"(?P<name>[^:\[=]+)(?::(?P<label>[^\[=]*))?(?:\[(?P<choices>[^\]]*)\])?\s*(?:=(?P<default>.*))?"
)


@dataclass
class TaskCard:
    """A task as its card shows it; `number` names its fields."""

    number: int
    plan: TaskPlan
    questions: str
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> str:
        return " ".join(self.plan.roles)


@require_http_methods(["GET", "POST"])
@needs(MAINTAIN, of_target)
def edit_tasks(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """All tasks of a target, as one form."""
    target = target_or_404(application=application, environment=environment)
    if request.method != "POST":
        cards = [_card(number, plan) for number, plan in enumerate(editing_tasks.plans_of(target))]
        return show(request, "tasks_form.html", "target", {"target": target, "cards": cards, "problems": {}})
    plans = [_read(request.POST, number) for number in request.POST.getlist("step")]
    try:
        editing_tasks.change_tasks(target, plans, by=person(request))
    except TaskWrong as error:
        cards = [_card(number, plan, error.problems) for number, plan in enumerate(plans)]
        context = {"target": target, "cards": cards, "problems": error.problems}
        return show(request, "tasks_form.html", "target", context, status=422)
    except REFUSALS as error:
        messages.error(request, str(error))
        return redirect("edit-tasks", application, environment)
    messages.success(request, "Saved. Who may deploy may run them.")
    return redirect("target", application, environment)


@require_safe
@needs(MAINTAIN, anywhere)
def new_task(request: HttpRequest) -> HttpResponse:
    """The card of one more task."""
    number = request.GET.get("number", "")
    if not number.isdecimal() or len(number) > 6:
        raise Http404("No such card.")
    return piece(request, "_task_card.html", {"card": _card(int(number), TaskPlan("", "")), "open": True})


def _card(number: int, plan: TaskPlan, problems: Mapping[str, str] | None = None) -> TaskCard:
    begin = f"tasks.{number}."
    own = {where.removeprefix(begin): text for where, text in (problems or {}).items() if where.startswith(begin)}
    return TaskCard(number, plan, "\n".join(map(tell_question, plan.parameters)), own)


def _read(typed: QueryDict, number: str) -> TaskPlan:
    def said(name: str) -> str:
        return typed.get(f"step-{number}-{name}", "").replace("\r\n", "\n").strip()

    def seconds(name: str) -> int:
        return int(said(name)) if said(name).isdecimal() else 0

    return TaskPlan(
        name=said("name"),
        command=said("command"),
        description=said("description"),
        parameters=tuple(read_question(line) for line in said("questions").split("\n") if line.strip()),
        roles=tuple(said("roles").split()),
        time_limit=seconds("time_limit"),
        silence_limit=seconds("silence_limit"),
        sudo=said("sudo") == "yes",
        repeatable=said("repeatable") == "yes",
    )


def read_question(line: str) -> dict[str, Any]:
    """`level: How much? [some, all] = some`; the verb says what is wrong with it."""
    found = _QUESTION.fullmatch(line.strip())
    if found is None:
        return {"name": line.strip()}
    said: dict[str, Any] = {"name": found["name"].strip()}
    for name in ("label", "default"):
        if (found[name] or "").strip():
            said[name] = found[name].strip()
    choices = [choice.strip() for choice in (found["choices"] or "").split(",") if choice.strip()]
    return said | ({"choices": choices} if choices else {})


def tell_question(asked: Mapping[str, Any]) -> str:
    """The other way round."""
    label, default = asked.get("label", ""), asked.get("default", "")
    choices = f" [{', '.join(asked['choices'])}]" if asked.get("choices") else ""
    return f"{asked['name']}{f': {label}' if label else ''}{choices}{f' = {default}' if default else ''}"
