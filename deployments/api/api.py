"""The API as a whole: its routes, its JSON, and what it answers to errors."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from deployments.api import (  # setting_up adds to two routers
    channels,
    configuration,
    deploys,
    endpoints,
    heartbeats,
    hooks,
    host_words,
    inventory,
    locks,
    messages,
    observing,
    people,
    policies,
    reservations,
    secret_stores,
    setting_up,  # noqa: F401
    sign_in,
    signer,
    sources,
    targets,
    tasks,
    tokens,
    trust,
    windows,
)
from deployments.api.problems import TooLarge, Unacceptable, WrongMediaType, answer, problem

MOST_BODY = 64 * 1024
DESCRIPTION = "Deploy, watch and roll back. Errors are application/problem+json; lists go on with `cursor`."

View = Callable[..., HttpResponseBase]


class JSONOnly(Parser):
    """Bodies are small JSON objects, and say so: a form from another site is never taken for one."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise WrongMediaType("Send the body as JSON, with `Content-Type: application/json`.")
        if len(request.body) > MOST_BODY:
            raise TooLarge(f"The body has more than {MOST_BODY} bytes. Nothing was changed.")
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Unacceptable("The body is no JSON. Nothing was changed.") from None
        if not isinstance(body, dict):
            raise Unacceptable("The body must be a JSON object. Nothing was changed.")
        return body


def known_query_only(run: View) -> View:
    """A misspelt filter must not silently become "everything"."""
    operation = run.__self__  # type: ignore[attr-defined]  # the framework's operation, which knows its parameters
    query = [model for model in operation.models if model.__ninja_param_source__ == "query"]
    known = {name for model in query for name in model.__ninja_flatten_map__}

    @wraps(run)
    def checked(request: HttpRequest, **values: Any) -> HttpResponseBase:
        unknown = sorted(set(request.GET) - known)
        if unknown:
            may = f"It knows {', '.join(sorted(known))}." if known else "It knows none."
            return answer(request, Unacceptable(f"This address knows no parameter {unknown[0]!r}. {may}"))
        return run(request, **values)

    return checked


@csrf_exempt
def nothing_here(request: HttpRequest, **rest: str) -> HttpResponse:
    return problem(404, "not-found", "There is nothing at this address. /api/v1/openapi.json lists what there is.")


def _as_problem(view: View) -> View:
    """The framework refuses methods in plain text."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
        response = view(request, *args, **values)
        if response.status_code != 405:
            return response
        allowed = response["Allow"]
        refusal = problem(405, "method-not-allowed", f"{request.method} does nothing here; {allowed} does.")
        refusal["Allow"] = allowed
        return refusal

    told.csrf_exempt = True  # type: ignore[attr-defined]  # Needs checks it, for sessions only
    return told


class DeployerAPI(NinjaAPI):
    """Answers with a problem also where the framework, or Django's page for unknown addresses, would answer."""

    @property
    def urls(self) -> tuple[list[URLPattern | URLResolver], str, str]:
        routes, application, namespace = super().urls
        for route in routes:
            assert isinstance(route, URLPattern)
            route.callback = _as_problem(route.callback)
        # "" comes first, since the framework keeps its own there for the name only
        return [path("", nothing_here), *routes, re_path(r"", nothing_here)], application, namespace


api = DeployerAPI(
    title="The Deployer",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,  # its page would need scripts from elsewhere
    parser=JSONOnly(),
)
api.add_decorator(known_query_only, mode="view")
for raised in (Exception, Http404, HttpError, ValidationError):
    api.add_exception_handler(raised, answer)
for router in (
    inventory.router,
    targets.router,
    channels.router,
    configuration.router,
    tasks.router,
    deploys.router,
    heartbeats.router,
    hooks.router,
    policies.router,
    endpoints.router,
    host_words.router,
    locks.router,
    messages.router,
    observing.router,
    people.router,
    reservations.router,
    secret_stores.router,
    sign_in.router,
    signer.router,
    sources.router,
    tokens.router,
    trust.router,
    windows.router,
):
    api.add_router("", router)

urls = api.urls
