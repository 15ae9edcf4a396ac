"""The page of a task: what it runs, what it asks for, on which hosts; and the click that runs it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments import lifecycle
from deployments.blockers import blockers, members
from deployments.page_actions import do, person, said
from deployments.pages import target_or_404
from environments.access import DEPLOY, VIEW, allows, needs
from environments.addresses import of_target
from environments.models import Task


def _task_or_404(*, application: str, environment: str, name: str) -> Task:
    target = target_or_404(application=application, environment=environment)
    task = Task.objects.filter(target=target, name=name).first()
    if task is None:
        raise Http404(f"{target.slug} has no task {name}.")
    task.target = target
    return task


@require_safe
@needs(VIEW, of_target)
def task(request: HttpRequest, application: str, environment: str, name: str) -> HttpResponse:
    """Look at a task before running it."""
    found = _task_or_404(application=application, environment=environment, name=name)
    able = [one for one in members(found.target) if not found.roles or set(found.roles) & set(one.roles)]
    standing = blockers(found.target, by=person(request))
    context = {
        "task": found,
        "target": found.target,
        "members": able,
        "blockers": [blocker for blocker in standing if blocker.kind != "warning"],
        "warnings": [blocker for blocker in standing if blocker.kind == "warning"],
        "may_deploy": allows(request.user, DEPLOY, found.target),
    }
    return render(request, "deployments/task.html", context)


@require_POST
@needs(DEPLOY, of_target)
def run_task(request: HttpRequest, application: str, environment: str, name: str) -> HttpResponse:
    """Run it on the hosts that are ticked."""
    found = _task_or_404(application=application, environment=environment, name=name)
    values = {asked["name"]: request.POST.get(f"value-{asked['name']}", "") for asked in found.parameters}
    back = reverse("task", args=[application, environment, name])
    return do(
        request,
        back=back,
        verb=lambda: lifecycle.run_task(
            found,
            hosts=request.POST.getlist("host"),
            values=values,
            by=person(request),
            wait=request.POST.get("wait") == "yes",
            said=said(request),
        ),
    )
