"""Adding what is deployed, where, and how: the verbs behind the pages of setting up.

They stand in the routers of what they add, since one address is one router's.
Host keys are not trusted by this way: a person compares fingerprints, on the page of hosts or by `manage.py hostkey`.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Status

from deployments.api.auth import Needs, caller_of
from deployments.api.inventory import router as inventory
from deployments.api.paging import Name
from deployments.api.problems import NotFound
from deployments.api.schemas import ProblemOut, TargetSummary
from deployments.api.setting_up_schemas import AddApplication, AddedApplication, AddedHosts, AddHosts, AddTarget
from deployments.api.targets import find_target, summarize_target
from deployments.api.targets import router as targets
from environments import adding_applications, adding_hosts, deploy_keys, editing_targets, host_lines
from environments.access import ADMINISTER, MAINTAIN, VIEW, allows_somewhere
from environments.adding_applications import Access
from environments.editing_targets import StepPlan, TargetPlan
from environments.models import Application, Environment


@inventory.post(
    "/applications",
    auth=Needs(ADMINISTER, everywhere=True),
    response={201: AddedApplication, 400: ProblemOut, 409: ProblemOut},
    summary="Add an application",
)
def add_application(request: HttpRequest, response: HttpResponse, payload: AddApplication) -> Status[Any]:
    made = adding_applications.add_application(
        name=payload.name,
        repository=payload.repository,
        way=Access(payload.https_user, payload.https_token),
        by=caller_of(request).user,
    )
    facts = {"name": made.name, "repository": made.repository, "default_branch": made.default_branch}
    return Status(201, facts | {"deploy_key": deploy_keys.public_line(made)})


@inventory.post(
    "/environments/{environment}/hosts",
    auth=Needs(ADMINISTER, everywhere=True),
    response={201: AddedHosts, 400: ProblemOut, 409: ProblemOut},
    summary="Add hosts to an environment, which is made if there is none of that name",
)
def add_hosts(request: HttpRequest, response: HttpResponse, environment: Name, payload: AddHosts) -> Status[Any]:
    lines = host_lines.read("\n".join(payload.lines))
    added = adding_hosts.add_hosts(
        lines, environment=environment, observe=payload.observe, root=payload.root, by=caller_of(request).user
    )
    words = ("name", "address", "port", "user", "observed")
    hosts = [{word: getattr(host, word) for word in words} | {"new": host in added.new} for host in added.hosts]
    return Status(201, {"environment": added.environment.name, "hosts": hosts})


@targets.post(
    "/targets",
    auth=Needs(MAINTAIN),
    response={201: TargetSummary, 400: ProblemOut, 409: ProblemOut},
    summary="Say how an application is deployed to an environment",
)
def add_target(request: HttpRequest, response: HttpResponse, payload: AddTarget) -> Status[Any]:
    user = caller_of(request).user
    application = Application.objects.filter(name=payload.application).first()
    environment = Environment.objects.filter(name=payload.environment).first()
    if not allows_somewhere(user, VIEW, application=payload.application):
        application = None  # what one may not view is not there
    if not allows_somewhere(user, VIEW, environment=payload.environment):
        environment = None
    if application is None or environment is None:
        missing = f"application {payload.application}" if application is None else f"environment {payload.environment}"
        raise NotFound(f"There is no {missing}. Nothing was made.")
    steps = tuple(StepPlan(**step.dict() | {"roles": tuple(step.roles)}) for step in payload.steps)
    said = payload.dict(exclude={"application", "environment", "steps"})
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    plan = TargetPlan(**plain, steps=steps)
    editing_targets.add_target(application, environment, plan, by=user)
    response["Location"] = reverse("api:read_target", args=[application.name, environment.name])
    return Status(201, summarize_target(find_target(request, application.name, environment.name)))
