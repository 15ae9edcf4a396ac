"""Settings → Environments → Endpoints: what an environment offers. Thin doors onto verbs."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from environments import endpoints
from environments.access import ADMINISTER, needs
from environments.addresses import of_environment
from environments.models import EndpointOffer, Environment, User
from environments.models.endpoints import USUAL_ADDRESS
from environments.settings_pages import show

_NUMBERS = ("first_port", "last_port", "most", "most_each", "hours")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER, of_environment)
def endpoint_offer(request: HttpRequest, name: str) -> HttpResponse:
    """The terms; with POST they are changed."""
    environment = _environment_or_404(name)
    offer = EndpointOffer.objects.filter(environment=environment).first()
    typed: dict[str, Any] = endpoints.facts_of(offer or EndpointOffer(address=USUAL_ADDRESS))
    problem = ""
    if request.method == "POST":
        typed = _read(request.POST)
        try:
            endpoints.set_offer(environment, by=_person(request), **_plain(typed))
        except endpoints.WrongOffer as error:
            problem = str(error)
        else:
            messages.success(request, f"Any branch may have an address of its own in {environment.name}.")
            return redirect("endpoint-offer", name)
    context: dict[str, Any] = {"environment": environment, "offer": offer, "typed": typed, "problem": problem}
    context |= {"number": endpoints.existing().filter(environment=environment).count()}
    return show(request, "endpoints", context, status=422 if problem else 200)


@require_POST
@needs(ADMINISTER, of_environment)
def withdraw_offer(request: HttpRequest, name: str) -> HttpResponse:
    """No more are made."""
    environment = _environment_or_404(name)
    endpoints.withdraw_offer(environment, by=_person(request))
    messages.success(request, f"No more endpoints are made in {environment.name}; those there are live to their end.")
    return redirect("endpoint-offer", name)


def _read(posted: QueryDict) -> dict[str, str]:
    return {field: posted.get(field, "").strip() for field in endpoints.FIELDS}


def _plain(typed: dict[str, str]) -> dict[str, Any]:
    """Raises WrongOffer."""
    found: dict[str, Any] = dict(typed)
    for field in _NUMBERS:
        text = typed[field]
        if text and not (text.isascii() and text.isdecimal() and len(text) < 6):
            raise endpoints.WrongOffer(f"{text[:40]!r} is no number. Nothing was changed.")
        if not text and field not in ("first_port", "last_port"):
            raise endpoints.WrongOffer("Say how many there may be, and for how long. Nothing was changed.")
        found[field] = int(text) if text else None
    return found


def _environment_or_404(name: str) -> Environment:
    found = Environment.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No environment {name}.")
    return found


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
