"""Tasks: named commands of a target, run on chosen hosts."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from deployments import lifecycle
from deployments.api.auth import Needs, caller_of
from deployments.api.paging import Name, Place
from deployments.api.problems import NotFound
from deployments.api.schemas import RunTask, TaskOut
from deployments.api.targets import MADE, find_target, made, trigger_of
from environments.access import DEPLOY, VIEW
from environments.models import Task

router = Router(tags=["tasks"])


@router.get(
    "/targets/{application}/{place:environment}/tasks",
    auth=Needs(VIEW),
    response=list[TaskOut],
    summary="The tasks of a target, and what they ask for",
)
def list_tasks(request: HttpRequest, application: Name, environment: Place) -> list[dict[str, Any]]:
    return [
        {
            "name": task.name,
            "description": task.description,
            "roles": task.roles,
            "parameters": [{"label": "", "choices": [], "default": "", **asked} for asked in task.parameters],
        }
        for task in find_target(request, application, environment).tasks.all()
    ]


@router.post(
    "/targets/{application}/{place:environment}/tasks/{task}", auth=Needs(DEPLOY), response=MADE, summary="Run a task"
)
def run_task(
    request: HttpRequest,
    response: HttpResponse,
    application: Name,
    environment: Place,
    task: Name,
    payload: RunTask | None = None,
) -> Status[Any]:
    target = find_target(request, application, environment)
    found = Task.objects.filter(target=target, name=task).select_related("target__application").first()
    if found is None:
        raise NotFound(f"{target.slug} has no task {task!r}.")
    asked, caller = payload or RunTask(), caller_of(request)
    deploy = lifecycle.run_task(
        found,
        hosts=asked.hosts,
        values=asked.values,
        by=caller.user,
        trigger=trigger_of(request),
        wait=asked.wait,
        automatic=caller.machine,
        said=lifecycle.Passing(confirmed=asked.confirm, override=asked.override),
    )
    return made(response, deploy)
