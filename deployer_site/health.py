"""Two addresses for machines: does the web process answer, and can the whole work?"""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from deployer_site.readiness import states
from environments.access import ANYONE, needs


@needs(ANYONE)
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@needs(ANYONE)
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when everything can work, else 503; each part says what to do."""
    found = states()
    ready = all(state.ok for state in found.values())
    response = JsonResponse({name: asdict(state) for name, state in found.items()}, status=200 if ready else 503)
    response["Cache-Control"] = "no-store"
    # not being ready yet is an answer here, and who asks reads it; the log is for what went wrong
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
