"""Tells the audit trail from where a request came."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from notifications.origin import coming_from

API, HOOKS = "/api/", "/hooks/"


class OriginMiddleware:
    """The address is the visitor's: behind a proxy that we trust, the one that this proxy names (proxies.py)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        door = "API" if request.path.startswith(API) else "hook" if _is_hook(request) else "page"
        with coming_from(door, request.META.get("REMOTE_ADDR", "")):
            return self.get_response(request)


def _is_hook(request: HttpRequest) -> bool:
    """People look at hooks below the same address, and only machines send to it."""
    return request.method == "POST" and request.path.startswith(HOOKS) and "Cookie" not in request.headers
