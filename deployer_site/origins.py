"""Tells the audit trail from where a request came."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from notifications.origin import coming_from

API = "/api/"


class OriginMiddleware:
    """The address is the visitor's: behind a proxy that we trust, the one that this proxy names (proxies.py)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        door = "API" if request.path.startswith(API) else "page"
        with coming_from(door, request.META.get("REMOTE_ADDR", "")):
            return self.get_response(request)
