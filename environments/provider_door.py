"""Signing in by a provider: the way out, the way back, and signing out there."""

import time
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from environments.access import ANYONE, needs
from environments.models import SignInProvider, User
from environments.pages import refuse_sign_in
from environments.providers import arriving, discovery, flow, refusals, testing
from environments.providers.errors import NoAnswer, ProviderError
from environments.sealed import CannotOpen
from environments.second_factor_pages import PROVED, Way, begin_session


def _find(name: str) -> SignInProvider:
    found = SignInProvider.objects.filter(name=name, enabled=True).first()
    if found is None:
        raise Http404(f"No sign-in provider {name}.")
    return found


@never_cache
@require_safe
@needs(ANYONE)
def go(request: HttpRequest, provider: str) -> HttpResponseBase:
    """To the provider. A link, not a form: our policy for forms forbids that one leads to another site."""
    found, to = _find(provider), _next(request)
    try:
        return redirect(flow.begin(found, request.session, to=to, fresh="fresh" in request.GET))
    except (ProviderError, CannotOpen) as error:
        return _refuse(request, found, error, to)


@never_cache
@require_safe
@needs(ANYONE)
def back(request: HttpRequest, provider: str) -> HttpResponseBase:
    """Whom the provider has sent back."""
    found = _find(provider)
    try:
        came = flow.finish(found, request.session, request.GET.dict())
        person = arriving.arrive(found, came.claims)
    except (ProviderError, CannotOpen) as error:
        return _refuse(request, found, error, "")
    testing.note(found, "")
    proved_at = came.claims.signed_in_at
    if proved_at is None:  # it does not tell; where it was asked to let them prove it anew, it is believed to have
        proved_at = time.time() if came.fresh else 0.0
    proved_at = min(proved_at, time.time())
    if came.fresh and request.user == person:  # only proves again who it is
        request.session[PROVED] = proved_at
        return redirect(came.to)
    return begin_session(request, person, came.to, Way(found.name, found.title, proved_at, came.claims.second_factor))


@never_cache
@require_safe
@needs(ANYONE)
def leave(request: HttpRequest, provider: str) -> HttpResponseBase:
    """Sign out there too, for whoever has signed out here (OpenID Connect RP-Initiated Logout 1.0)."""
    found = _find(provider)
    if isinstance(request.user, User):
        return redirect("home")
    try:
        address = discovery.discover(found).end_session
        if not address:
            raise NoAnswer(f"{found.title} does not say how to sign out there. Close the browser, or sign out there.")
    except ProviderError as error:
        return _refuse(request, found, error, "")
    said = {"client_id": found.client_id, "post_logout_redirect_uri": settings.BASE_URL + reverse("signin")}
    return redirect(f"{address}{'&' if '?' in address else '?'}{urlencode(said)}")


def _next(request: HttpRequest) -> str:
    """Where they wanted to go, within this site."""
    to = request.GET.get("next", "")
    hosts: set[str | None] = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(to, allowed_hosts=hosts, require_https=request.is_secure())  # type: ignore[arg-type]
    return to if safe else reverse("home")


def _refuse(request: HttpRequest, provider: SignInProvider, error: Exception, to: str) -> HttpResponse:
    """The sign-in page with the reason; whatever else leads in stands there too."""
    refusals.tell(provider, str(error))
    if isinstance(error, NoAnswer):
        testing.note(provider, str(error))
    facts: dict[str, Any] = {"refused": str(error), "refused_by": provider, "next": to}
    return refuse_sign_in(request, facts)
