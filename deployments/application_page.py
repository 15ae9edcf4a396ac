"""The page of an application, and its commits, which git is asked for once the page is there."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.page_actions import person
from deployments.page_queries.application import read_application, read_travelled
from deployments.page_queries.stages import Stage, read_stages
from deployments.pages import target_or_404
from environments import repositories
from environments.access import DEPLOY, MAINTAIN, VIEW, allows, allows_somewhere, needs
from environments.addresses import of_application, of_target
from environments.models import Application


def _application_or_404(name: str) -> Application:
    found = Application.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No application {name}.")
    return found


@require_safe
@needs(VIEW, of_application)
def application(request: HttpRequest, name: str) -> HttpResponse:
    """Its environments side by side, with how far each is behind, and its deploys."""
    page = read_application(_application_or_404(name), user=person(request))
    may = {stage.target.pk for stage in page.stages if allows(request.user, DEPLOY, stage.target)}
    add = not page.stages and allows_somewhere(request.user, MAINTAIN, application=page.application)
    change = allows(request.user, MAINTAIN, application=page.application)
    context = {"page": page, "application": page.application, "deployable": may, "web": web_of(page.application)}
    more = {"may_add": add, "may_change": change}
    return answer(request, "deployments/application.html", context | more, tag=tag_of(page, sorted(may), add, change))


@require_safe
@needs(VIEW, of_application)
def application_commits(request: HttpRequest, name: str) -> HttpResponse:
    """Commits on their way to the last environment: who wrote them and how far they have come."""
    found = _application_or_404(name)
    stages = read_stages(found, user=person(request))
    return _tell_commits(request, found, stages, stages[-1] if stages else None)


@require_safe
@needs(VIEW, of_target)
def target_commits(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Commits that are not live in this environment yet."""
    target = target_or_404(application=application, environment=environment)
    stages = read_stages(target.application, current=target, user=person(request))
    return _tell_commits(request, target.application, stages, next(stage for stage in stages if stage.current))


def _tell_commits(request: HttpRequest, found: Application, stages: list[Stage], goal: Stage | None) -> HttpResponse:
    context: dict[str, object] = {"application": found, "goal": goal, "alone": len(stages) < 2}
    try:
        if goal is not None:
            context["travelled"], context["more"] = read_travelled(stages, found, goal=goal)
    except (repositories.RepositoryError, FileNotFoundError):  # the latter: no mirror on this machine yet
        context["unknown"] = True
    return render(request, "deployments/_travelled.html", context)


def web_of(application: Application) -> str:
    """The address of the repository for a browser, where it has one; "" for any other."""
    address = application.repository.removesuffix(".git")
    if address.startswith("https://"):
        return address
    if address.startswith("git@") and ":" in address:
        host, _, path = address.removeprefix("git@").partition(":")
        return f"https://{host}/{path}"
    return ""
