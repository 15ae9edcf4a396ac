"""Endpoints by a click: made from a branch, kept longer, taken away. Thin doors onto verbs; only by POST."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from deployments import lifecycle
from deployments.page_actions import do, page_of, person
from deployments.pages import target_or_404
from environments import endpoints
from environments.access import DEPLOY, needs
from environments.addresses import of_target
from environments.models import Endpoint


@require_POST
@needs(DEPLOY, of_target)
def make(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """A new one, and its first deploy."""
    target = target_or_404(application=application, environment=environment)
    branch, name = request.POST.get("branch", "").strip(), request.POST.get("name", "").strip().lower()
    return do(
        request,
        back=page_of(target),
        verb=lambda: lifecycle.make_endpoint(target, branch, name=name, by=person(request)),
    )


def _endpoint_or_404(application: str, environment: str) -> Endpoint:
    target = target_or_404(application=application, environment=environment)
    found = endpoints.existing().filter(target=target).first()
    if found is None:
        raise Http404(f"No endpoint {target.slug}.")
    return found


@require_POST
@needs(DEPLOY, of_target)
def extend(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """It lives as long from now on as a new one."""
    found = _endpoint_or_404(application, environment)
    try:
        endpoints.extend(found, by=person(request))
    except endpoints.EndpointError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{found.target.name} stays.")
    return redirect(page_of(found.target))


@require_POST
@needs(DEPLOY, of_target)
def take_away(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Stop it and remove its folder."""
    found = _endpoint_or_404(application, environment)
    return do(request, back=page_of(found.target), verb=lambda: lifecycle.take_away(found, by=person(request)))
