"""The command palette's answers, and the same as a page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from deployments.page_queries.search import search as find
from environments.access import VIEW, needs
from environments.addresses import anywhere
from environments.models import User

LONGEST = 200


def _context(request: HttpRequest) -> dict[str, object]:
    assert isinstance(request.user, User)
    text = request.GET.get("q", "").strip()[:LONGEST]
    groups = find(request.user, text)
    return {"q": text, "groups": groups, "number": sum(len(group.choices) for group in groups)}


@require_safe
@needs(VIEW, anywhere)
def palette(request: HttpRequest) -> HttpResponse:
    """What is found, as the options of a list."""
    response = render(request, "deployments/_palette.html", _context(request))
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@needs(VIEW, anywhere)
def search(request: HttpRequest) -> HttpResponse:
    """What is found, as a page with an address."""
    return render(request, "deployments/search.html", _context(request))
