"""Making a target and changing it: where it lies on hosts, what is linked, which steps run, how it restarts."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from deployments import repository_proposals
from deployments.models import Deploy
from deployments.page_actions import person
from deployments.pages import target_or_404
from deployments.setup_pages import target_form
from deployments.setup_pages.frame import REFUSALS, environment_or_404, piece, show
from environments import editing_targets, presets, repositories
from environments.access import MAINTAIN, allows, allows_somewhere, needs
from environments.addresses import anywhere, of_target
from environments.editing_targets import StepPlan, TargetError, TargetPlan, TargetTaken, TargetWrong
from environments.models import Application, Environment, Host, OnFailure
from environments.proposals import Proposal

MOST_BRANCHES = 50


@require_http_methods(["GET", "POST"])
@needs(MAINTAIN, anywhere)
def add_target(request: HttpRequest) -> HttpResponse:
    """First which application goes where; then everything about it, proposed."""
    asked = request.POST if request.method == "POST" else request.GET
    user = person(request)
    application = Application.objects.filter(name=asked.get("application", "")).first()
    environment = Environment.objects.filter(name=asked.get("environment", "")).first()
    able = application and environment and allows(user, MAINTAIN, application=application, environment=environment)
    if application is None or environment is None or not able:
        return _choose(request, asked.get("application", ""), asked.get("environment", ""))
    if request.method == "POST":
        return _add(request, application, environment)
    if application.targets.filter(environment=environment, name="").exists():
        return redirect("edit-target", application.name, environment.name)
    proposal, refusal = _propose(application, environment)
    plan = TargetPlan(
        root=proposal.root or f"~/{application.name}",
        user=proposal.user or _usual_user(environment),
        keep=proposal.keep or 5,
        linked_dirs=tuple(proposal.linked_dirs),
        linked_files=tuple(proposal.linked_files),
        path_prepend=proposal.path_prepend,
    )
    context = {"proposal": proposal, "refusal": refusal, "cards": target_form.cards_proposed(proposal)}
    return _form(request, application, environment, plan, context)


def _choose(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    user = person(request)
    every = Application.objects.all(), Environment.objects.all()
    context = {
        "applications": [it for it in every[0] if allows_somewhere(user, MAINTAIN, application=it)],
        "environments": [it for it in every[1] if allows_somewhere(user, MAINTAIN, environment=it)],
        "application": application,
        "environment": environment,
    }
    return show(request, "choose_target.html", "target", context)


def _propose(application: Application, environment: Environment) -> tuple[Proposal, str]:
    try:
        return repository_proposals.propose(application, environment=environment.name), ""
    except repositories.RepositoryError as error:
        return Proposal(), str(error)


def _usual_user(environment: Environment) -> str:
    """Whom most hosts were added with."""
    hosts = Host.objects.filter(memberships__environment=environment).exclude(user="")
    named = list(hosts.values_list("user", flat=True))
    return max(set(named), key=named.count) if named else "deploy"


def _add(request: HttpRequest, application: Application, environment: Environment) -> HttpResponse:
    plan = target_form.read(request.POST)
    try:
        editing_targets.add_target(application, environment, plan, by=person(request))
    except TargetTaken as error:
        messages.error(request, str(error))
        return redirect("edit-target", application.name, environment.name)
    except TargetWrong as error:
        more = {"proposal": _propose(application, environment)[0]}
        return _again(request, application, environment, plan, error, more)
    messages.success(request, f"{application.name} can be deployed to {environment.name} now.")
    return redirect("start" if _first_time() else reverse("target", args=[application.name, environment.name]))


def _first_time() -> bool:
    return not Deploy.objects.exists()


@require_http_methods(["GET", "POST"])
@needs(MAINTAIN, of_target)
def edit_target(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """The same form with what there is."""
    target = target_or_404(application=application, environment=environment)
    if request.method != "POST":
        plan = editing_targets.plan_of(target)
        context = {"target": target, "cards": target_form.cards_of(plan.steps)}
        return _form(request, target.application, target.environment, plan, context)
    plan = target_form.read(request.POST)
    try:
        editing_targets.change_target(target, plan, by=person(request))
    except TargetWrong as error:
        return _again(request, target.application, target.environment, plan, error, {"target": target})
    except (*REFUSALS, TargetError) as error:
        messages.error(request, str(error))
        return redirect("edit-target", application, environment)
    messages.success(request, "Saved. Deploys that run already go on as they began.")
    return redirect("target", application, environment)


def _again(
    request: HttpRequest,
    application: Application,
    environment: Environment,
    plan: TargetPlan,
    error: TargetWrong,
    more: dict[str, Any] | None = None,
) -> HttpResponse:
    context = {"cards": target_form.cards_again(request.POST, error.problems), "problems": error.problems}
    return _form(request, application, environment, plan, context | (more or {}), status=422)


def _form(
    request: HttpRequest,
    application: Application,
    environment: Environment,
    plan: TargetPlan,
    more: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "application": application,
        "environment": environment,
        "plan": plan,
        "problems": {},
        "choices": target_form.choices(),
        "on_failure": OnFailure.choices,
        "proposal": Proposal(),
    }
    return show(request, "target_form.html", "target", context | more, status=status)


@require_safe
@needs(MAINTAIN, anywhere)
def new_step(request: HttpRequest) -> HttpResponse:
    """The card of one more step, by its preset."""
    name, number = request.GET.get("preset", ""), request.GET.get("number", "")
    if name not in presets.PRESETS or not number.isdecimal() or len(number) > 6:
        raise Http404("No such preset.")
    # a first name to go on with: restart for what restarts, drain-workers for what drains
    title = "" if name == "command" else "restart" if name.startswith("restart-") else name
    card = target_form.card(int(number), StepPlan(title, name))
    return piece(request, "_step_card.html", {"card": card, "open": True})


@require_safe
@needs(MAINTAIN, anywhere)
def check_folder(request: HttpRequest) -> HttpResponse:
    """A row for each host of an environment, which then looks at the folder that is being typed."""
    place = environment_or_404(request.GET.get("environment", ""))
    if not allows_somewhere(person(request), MAINTAIN, environment=place):
        raise Http404(f"No environment {place.name}.")
    hosts = Host.objects.filter(memberships__environment=place).order_by("name")
    context = {
        "environment": place,
        "hosts": hosts,
        "root": request.GET.get("root", "").strip(),
        "user": request.GET.get("user", "").strip(),
        "slug": f"{request.GET.get('application', '')}/{place.name}",
        "files": [line.strip() for line in request.GET.get("linked_files", "").splitlines() if line.strip()],
    }
    return piece(request, "_folder_check.html", context)
