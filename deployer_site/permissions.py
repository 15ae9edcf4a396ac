"""The gate in front of every page: a route declares what it needs, this middleware asks whether the person may."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import ResolverMatch, reverse
from django_htmx.http import HttpResponseClientRedirect

from environments import access
from environments.addresses import anywhere
from environments.models import User
from environments.rights import read_once
from environments.second_factors import is_owed

NEEDS_BY_NAMESPACE = {
    # Django's own views, which cannot carry a declaration of ours.
    "admin": access.ADMINISTER,
    # The API asks in its authentication classes and verbs: it answers with JSON and status codes, not with pages.
    "api": access.ANYONE,
}


def declared_need(view: object, namespaces: list[str], route: str) -> str:
    """The permission that a route declares; a route without one is a mistake in the code."""
    if namespaces and namespaces[0] in NEEDS_BY_NAMESPACE:
        return NEEDS_BY_NAMESPACE[namespaces[0]]
    permission = getattr(view, "needs", None)
    if permission not in access.PERMISSIONS:
        raise ImproperlyConfigured(f"The route {route!r} ({view!r}) declares no need. Add @needs(…) to its view.")
    return str(permission)


# What whoever owes a second factor may do meanwhile: set one up, or leave.
SETTING_UP = frozenset({"second-factors", "prove-again", "add-app", "add-passkey"})


class PermissionMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with read_once():
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        assert isinstance(match, ResolverMatch)
        permission = declared_need(match.func, match.namespaces, match.route)
        if permission != access.ANYONE and match.url_name not in SETTING_UP and is_owed(request.user, request.session):
            return lead_to_setting_up(request)
        if permission == access.ANYONE or access.allows(request.user, permission):
            return None
        if not isinstance(request.user, User):
            return ask_to_sign_in(request)
        where = getattr(match.func, "where", None)
        if where and where(request.user, permission, match.kwargs):
            return None
        if where and where is not anywhere and not where(request.user, access.VIEW, match.kwargs):
            raise Http404  # as where there is nothing: whoever may not see it does not learn that it is there
        raise PermissionDenied


def ask_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Back to where they were after signing in, but never to an address that only takes forms."""
    to_signin = redirect_to_login(request.get_full_path())
    if request.headers.get("HX-Request") == "true":
        # The sign-in page must not land inside a fragment of the old page.
        return HttpResponseClientRedirect(redirect_to_login(_page_of(request)).url)
    if request.method in {"GET", "HEAD"}:
        return to_signin
    raise PermissionDenied


def lead_to_setting_up(request: HttpRequest) -> HttpResponseBase:
    """Nothing else opens for who owes a second factor; forms of before are refused."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponseClientRedirect(reverse("second-factors"))
    if request.method in {"GET", "HEAD"}:
        return redirect("second-factors")
    raise PermissionDenied


def _page_of(request: HttpRequest) -> str:
    """The page that the fragment was for. Whether it may be followed is checked by the sign-in page."""
    return request.headers.get("HX-Current-URL") or "/"
