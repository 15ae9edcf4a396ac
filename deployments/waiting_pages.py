"""The page of everything that waits."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.page_actions import person
from deployments.page_queries.waiting import read_waiting
from environments.access import DEPLOY, REORDER, VIEW, allows, needs
from environments.addresses import anywhere


@require_safe
@needs(VIEW, anywhere)
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits, why, and until when."""
    page = read_waiting(person(request))
    may = {line.target.pk for line in page.lines if allows(request.user, DEPLOY, line.target)}
    movable = {line.target.pk for line in page.lines if allows(request.user, REORDER, line.target)}
    context = {"page": page, "deployable": may, "movable": movable}
    return answer(request, "deployments/waiting.html", context, tag=tag_of(page, sorted(may), sorted(movable)))
