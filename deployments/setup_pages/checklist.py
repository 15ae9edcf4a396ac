"""The way to the first deploy, at a glance."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from deployments.page_actions import person
from deployments.page_queries.first_steps import read_first_steps
from deployments.setup_pages.frame import show
from environments.access import ADMINISTER, needs


@require_safe
@needs(ADMINISTER)
def start(request: HttpRequest) -> HttpResponse:
    """All steps, and the next one with a button; `?go=on` leads straight to that one."""
    following = read_first_steps(person(request)).next if request.GET.get("go") == "on" else None
    if following and following.url:
        return redirect(following.url)
    return show(request, "start.html", "", {})
