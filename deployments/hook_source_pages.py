"""Settings → Hooks: who may send them. Thin doors onto deployments.hooks.sources."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments.hooks import kinds, sources
from deployments.hooks.errors import HookError, SourceWrong
from deployments.page_actions import person
from environments import sight
from environments.access import ADMINISTER, NotAllowed, needs
from environments.addresses import anywhere, of_application
from environments.models import Application, HookSource
from environments.settings_pages import show

MOST = 500


@require_safe
@needs(ADMINISTER, anywhere)
def hook_sources(request: HttpRequest) -> HttpResponse:
    """All of them that one may change, and making one."""
    return _page(request)


@require_POST
@needs(ADMINISTER, anywhere)
def make_hook_source(request: HttpRequest) -> HttpResponse:
    """A new one, whose secret is shown on the page that answers and never again."""
    user, said = person(request), request.POST
    rows = Application.objects.filter(sight.administered_applications(user))
    application = rows.filter(name=said.get("application", "")).first()
    word = said.get("kind", "")
    if application is None or word not in kinds.KINDS:
        messages.error(request, "Choose an application and who sends for it. Nothing was saved.")
        return redirect("settings-hooks")
    typed = {field.name: said.get(field.name, "") for field in kinds.KINDS[word].TOLD.fields}
    try:
        source, secret = sources.make(word, application, settings=typed, by=user)
    except SourceWrong as error:
        return _page(request, problems=error.problems, status=422)
    except NotAllowed as refusal:
        messages.error(request, str(refusal))
        return redirect("settings-hooks")
    return _page(request, told=source, secret=secret)


@require_POST
@needs(ADMINISTER, of_application)
def renew_hook_secret(request: HttpRequest, name: str, hook_id: int) -> HttpResponse:
    """Another secret, shown only now."""
    source = _find(name, hook_id)
    secret = sources.renew_secret(source, by=person(request))
    return _page(request, told=source, secret=secret)


@require_POST
@needs(ADMINISTER, of_application)
def remove_hook_source(request: HttpRequest, name: str, hook_id: int) -> HttpResponse:
    """It is heard no more."""
    source = _find(name, hook_id)
    try:
        sources.remove(source, by=person(request))
    except (HookError, NotAllowed) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Nobody sends hooks for {name} by that address any more.")
    return redirect("settings-hooks")


def _find(name: str, hook_id: int) -> HookSource:
    found = HookSource.objects.select_related("application").filter(application__name=name, pk=hook_id).first()
    if found is None:
        raise Http404(f"No source {hook_id}.")
    return found


def address_of(source: HookSource) -> str:
    return settings.BASE_URL + reverse("take-hook", args=[source.kind, source.key])


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    user = person(request)
    rows = sources.visible(user).order_by("application__name", "pk")[:MOST]
    titles = {word: kind.TOLD.title for word, kind in kinds.KINDS.items()}
    mine = Application.objects.filter(sight.administered_applications(user)).order_by("name")
    told = more.pop("told", None)
    context = {
        "sources": [(row, titles.get(row.kind, row.kind), address_of(row)) for row in rows],
        "kinds": [kind.TOLD for kind in kinds.KINDS.values()],
        "applications": list(mine.values_list("name", flat=True)[:MOST]),
        "told": told,
        "told_address": address_of(told) if told else "",
        "signs_with": kinds.KINDS[told.kind].SIGNS_WITH if told else "",
        "typed": request.POST,
        **more,
    }
    return show(request, "hooks", context, status=status)
