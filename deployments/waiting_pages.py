"""The page of everything that waits."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from deployments.answers import answer, tag_of
from deployments.page_queries.waiting import read_waiting
from environments.access import DEPLOY, VIEW, allows, needs


@require_safe
@needs(VIEW)
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits, why, and until when."""
    page = read_waiting()
    may = allows(request.user, DEPLOY)
    return answer(request, "deployments/waiting.html", {"page": page, "may_deploy": may}, tag=tag_of(page, may))
