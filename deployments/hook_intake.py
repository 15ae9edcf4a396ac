"""The door for machines that send hooks: stored as it came, answered at once. Signatures are its only key."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from deployments.api.problems import answer, problem
from deployments.hooks import intake
from deployments.hooks.errors import HookError, TooLargeBody
from environments.access import ANYONE, needs
from environments.sealed import CannotOpen


@csrf_exempt
@needs(ANYONE)
def take_hook(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """202 for what is worked on, 200 for what came before."""
    if request.method != "POST":
        refusal = problem(405, "method-not-allowed", f"{request.method} does nothing here; POST does.")
        refusal["Allow"] = "POST"
        return refusal
    try:
        source = intake.find(kind, key)
        body = _body(request)
        taken = intake.take(source, request.headers, body, request.META.get("REMOTE_ADDR", ""))
    except (HookError, CannotOpen) as error:
        return answer(request, error)
    said = {"delivery": taken.delivery.pk, "duplicate": not taken.new}
    return JsonResponse(said, status=202 if taken.new else 200, headers={"Cache-Control": "no-store"})


def _body(request: HttpRequest) -> bytes:
    """As it came, and never more of it than we take. Raises TooLargeBody."""
    most = settings.HOOK_MOST_KB << 10
    length = request.META.get("CONTENT_LENGTH") or "0"
    body = b"" if not length.isdecimal() or int(length[:12]) > most else request.read(most + 1)
    if len(body) > most or not length.isdecimal() or int(length[:12]) > most:
        raise TooLargeBody(f"A hook has at most {settings.HOOK_MOST_KB} KB here. It was not read.")
    return body
