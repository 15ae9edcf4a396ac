"""The page of a target's configuration, and the clicks on it: thin doors onto verbs of environments.configuration."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from deployments import lifecycle
from deployments.page_actions import do, person, said
from deployments.page_queries.configuration import read_configuration
from deployments.pages import target_or_404
from environments.access import ADMINISTER, DEPLOY, MAINTAIN, VIEW, NotAllowed, allows, needs
from environments.addresses import of_target
from environments.configuration import changing, delivering, merging, referring, scopes
from environments.configuration.delivering import Delivery
from environments.configuration.errors import ConfigurationError
from environments.configuration.scopes import Scope
from environments.models import Environment, Host, SecretStore, Target
from environments.sealed import CannotOpen
from environments.secret_stores.errors import StoreError
from environments.secret_stores.references import Reference


@require_safe
@needs(VIEW, of_target)
def configuration(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What hosts of a target get, and where it comes from."""
    return _show(request, target_or_404(application=application, environment=environment))


def _show(request: HttpRequest, target: Target, *, form: dict[str, Any] | None = None, error: str = "") -> HttpResponse:
    before, other = request.GET.get("before", ""), request.GET.get("other", "")
    if other and not allows(request.user, VIEW, application=target.application, environment=other):
        raise Http404(f"No environment {other}.")
    try:
        page = read_configuration(
            target=target,
            host=request.GET.get("host", "").strip(),
            other=other,
            before=int(before) if before.isdecimal() and len(before) < 19 else None,
        )
    except (Host.DoesNotExist, Environment.DoesNotExist):
        raise Http404("There is no such host or environment.") from None
    administers = allows(request.user, ADMINISTER)
    context = {
        "page": page,
        "target": target,
        "form": form or {},
        "error": error,
        "may_maintain": allows(request.user, MAINTAIN, target),
        "may_administer": administers,
        "stores": list(SecretStore.objects.values_list("name", flat=True)) if administers else [],
        "may_deploy": allows(request.user, DEPLOY, target),
    }
    answer = render(request, "deployments/configuration.html", context, status=422 if error else 200)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@needs(MAINTAIN, of_target)
def set_value(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Set one value. What was typed stays on the page when it is refused, but for a secret."""
    target = target_or_404(application=application, environment=environment)
    name, secret = request.POST.get("name", "").strip(), request.POST.get("secret") == "yes"
    value = request.POST.get("value", "").replace("\r\n", "\n")  # browsers send lines of a form so
    place, lies = request.POST.get("place", ""), _reference(request)
    try:
        scope = _scope(target, place)
        if lies:
            changed = referring.set_reference(scope, name, lies, by=person(request))
        else:
            changed = changing.set_value(scope, name, value, secret=secret, by=person(request))
    except (ConfigurationError, StoreError, CannotOpen, NotAllowed) as error:
        form = {"name": name, "place": place, "secret": secret, "value": "" if secret else value, "lies": lies}
        return _show(request, target, form=form, error=str(error))
    if changed:
        messages.success(request, f"{name} is set. Hosts get it with the next deploy.")
    else:
        messages.success(request, f"{name} is that already.")
    return redirect(_back(request, target))


def _reference(request: HttpRequest) -> Reference | None:
    """Where it lies, if a secret store was chosen."""
    store, path, key = (request.POST.get(word, "").strip() for word in ("store", "path", "key"))
    return Reference(store, path, key) if store else None


@require_POST
@needs(MAINTAIN, of_target)
def remove_value(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Take a value out of one layer."""
    target = target_or_404(application=application, environment=environment)
    name, place = request.POST.get("name", ""), request.POST.get("place", "")
    return _act(
        request,
        target,
        lambda: changing.remove_value(_scope(target, place), name, by=person(request)),
        f"{name} is removed there. Hosts lose it with the next deploy.",
    )


@require_POST
@needs(MAINTAIN, of_target)
def undo_change(request: HttpRequest, application: str, environment: str, change_id: int) -> HttpResponse:
    """Undo the newest change of a value."""
    target = target_or_404(application=application, environment=environment)
    change = merging.with_places(merging.reaching(target)).filter(pk=change_id).first()
    if change is None:
        raise Http404(f"No change {change_id} of {target.slug}.")
    return _act(
        request,
        target,
        lambda: changing.undo(change, by=person(request)),
        f"The last change of {change.name} is undone. Hosts get it with the next deploy.",
    )


@require_POST
@needs(MAINTAIN, of_target)
def set_delivery(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """Where in a release the configuration lies."""
    target = target_or_404(application=application, environment=environment)
    files = tuple(filter(None, (line.strip() for line in request.POST.get("files", "").splitlines())))
    wanted = Delivery(request.POST.get("env", "").strip(), request.POST.get("json", "").strip(), files)
    return _act(
        request,
        target,
        lambda: delivering.set_delivery(target, wanted, by=person(request)),
        "Saved. Hosts get it with the next deploy.",
    )


@require_POST
@needs(DEPLOY, of_target)
def deploy_configuration(request: HttpRequest, application: str, environment: str) -> HttpResponse:
    """What is live, with the configuration of now."""
    target = target_or_404(application=application, environment=environment)
    back = reverse("configuration", args=[application, environment])
    by, passing = person(request), said(request)
    return do(request, back=back, verb=lambda: lifecycle.deploy_configuration(target, by=by, said=passing))


def _act(request: HttpRequest, target: Target, verb: Callable[[], object], done: str) -> HttpResponse:
    try:
        verb()
    except (ConfigurationError, StoreError, NotAllowed) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect(_back(request, target))


def _scope(target: Target, place: str) -> Scope:
    """Raises NoSuchScope."""
    layer, _, of = place.partition(":")
    return scopes.find_scope(target, layer, of)


def _back(request: HttpRequest, target: Target) -> str:
    """The page of the host that was looked at."""
    page = reverse("configuration", args=[target.application.name, target.place])
    host = request.POST.get("host", "")
    known = host and Host.objects.filter(memberships__environment=target.environment, name=host).exists()
    return f"{page}?host={host}" if known else page
