"""The page behind a link in a message about a lock. To look at it changes nothing: mail scanners follow links."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from deployments import lifecycle
from deployments.lifecycle.unlocking import held_by_any
from deployments.lock_pages import LOCK_REFUSALS, held_choice
from environments import locks
from environments.access import ANYONE, needs

DONE = {"release": "released", "extend": "yours for longer", "no": "answered"}


@require_http_methods(["GET", "HEAD", "POST"])
@needs(ANYONE)
def lock_link(request: HttpRequest, token: str) -> HttpResponse:
    """Say what the link does; by POST do it, for whom it was made."""
    try:
        link = locks.read_link(token)
        if request.method == "POST":
            lifecycle.follow_link(link, held=held_choice(request))
            answer = render(request, "deployments/lock_link.html", {"link": link, "done": DONE[link.act]})
        else:
            held = held_by_any([link.lock.pk], viewer=link.person) if link.act == "release" else []
            answer = render(request, "deployments/lock_link.html", {"link": link, "held": held})
    except locks.LinkUnusable as error:
        answer = render(request, "deployments/lock_link.html", {"error": str(error)}, status=410)
    except LOCK_REFUSALS as refusal:
        answer = render(request, "deployments/lock_link.html", {"error": str(refusal)}, status=409)
    # no site learns the link from a Referer: "same-origin" is set for all pages
    answer["Cache-Control"] = "no-store"
    return answer
