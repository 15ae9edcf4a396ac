"""What the log pane of a page asks for: a window of lines by place, and where words stand."""

import re
from dataclasses import asdict

from django.http import HttpRequest, HttpResponseBadRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from deployments import log_search
from deployments.addresses import of_deploy
from deployments.log_windows import MOST_LINES, read_window
from deployments.pages import deploy_or_404
from environments.access import VIEW, needs
from environments.validation import NAME

MOST_DIGITS = 15


class WrongQuestion(ValueError):
    """A parameter is not what it must be. `str()` says which, and what it must be."""


@require_safe
@needs(VIEW, of_deploy)
def log_lines(request: HttpRequest, deploy_id: int) -> HttpResponseBase:
    """`{"total", "at", "lines"}`: lines from place `at=` on, or around line `n=`, or the last; `host=`, `most=`."""
    deploy = deploy_or_404(deploy_id)
    try:
        at, n, most = (_number(request, name) for name in ("at", "n", "most"))
        host = _host(request)
    except WrongQuestion as wrong:
        return HttpResponseBadRequest(f"{wrong}\n", content_type="text/plain; charset=utf-8")
    found = read_window(deploy.pk, host=host, at=at, n=n, most=min(most or MOST_LINES, MOST_LINES))
    lines = [vars(line) for line in found.lines]
    return _json({"total": found.total, "at": found.at, "lines": lines})


@require_safe
@needs(VIEW, of_deploy)
def log_hits(request: HttpRequest, deploy_id: int) -> HttpResponseBase:
    """`{"hits", "searched", "done"}` for `q=`, from line `from=` on, of all hosts or of `host=`."""
    deploy = deploy_or_404(deploy_id)
    words = request.GET.get("q", "")
    try:
        start, host = _number(request, "from") or 1, _host(request)
        if not words or len(words) > log_search.LONGEST:
            raise WrongQuestion(f"q= is what is looked for: 1 to {log_search.LONGEST} characters.")
    except WrongQuestion as wrong:
        return HttpResponseBadRequest(f"{wrong}\n", content_type="text/plain; charset=utf-8")
    return _json(asdict(log_search.search(deploy.pk, words, start=start, host=host)))


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name)
    if text is None:
        return None
    if not re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text):
        raise WrongQuestion(f"{name}= is a whole number, 0 or more.")
    return int(text)


def _host(request: HttpRequest) -> str:
    host = request.GET.get("host", "")
    if host and not re.fullmatch(NAME, host):
        raise WrongQuestion("host= is the name of a host.")
    return host


def _json(facts: dict[str, object]) -> JsonResponse:
    return JsonResponse(facts, headers={"Cache-Control": "no-store"}, json_dumps_params={"ensure_ascii": False})
