"""The gate in front of every page: a route declares what it needs, this middleware asks whether the person may."""

from collections.abc import Callable

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import ResolverMatch

from environments import access

NEEDS_BY_NAMESPACE = {
    # Django's own views, which cannot carry a declaration of ours.
    "admin": access.ADMINISTER,
    # The API asks in its authentication classes and verbs: it answers with JSON and status codes, not with pages.
    "api": access.ANYONE,
}


def declared_needs(match: ResolverMatch) -> str:
    """The permission that a route declares; a route without one is a mistake in the code."""
    if match.namespaces and match.namespaces[0] in NEEDS_BY_NAMESPACE:
        return NEEDS_BY_NAMESPACE[match.namespaces[0]]
    permission = getattr(match.func, "needs", None)
    if not isinstance(permission, str):
        raise ImproperlyConfigured(f"The route {match.route!r} ({match.func!r}) declares no need. Add @needs(…).")
    return permission


class PermissionMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponseBase | None:
        assert request.resolver_match is not None
        permission = declared_needs(request.resolver_match)
        if permission == access.ANYONE:
            return None
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if permission != access.SIGNED_IN and not access.allows(request.user, permission):
            raise PermissionDenied
        return None
