"""Settings → Secret stores: a Vault or a program that values refer to. Thin doors onto environments.secret_stores."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from environments.access import ADMINISTER, NotAllowed, needs
from environments.models import SecretStore, User
from environments.sealed import CannotOpen
from environments.secret_stores import keeping, kinds
from environments.secret_stores.errors import NotFetched, StoreError, StoreTaken, StoreWrong
from environments.secret_stores.keeping import Plan
from environments.settings_pages import show

MOST_USES = 50


def _find(name: str) -> SecretStore:
    found = SecretStore.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No secret store {name}.")
    return found


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@require_safe
@needs(ADMINISTER)
def stores(request: HttpRequest) -> HttpResponse:
    """All of them, those in trouble first, and the kinds that there are."""
    rows = sorted(SecretStore.objects.all(), key=lambda row: (not row.trouble, row.name))
    uses = keeping.uses()
    titles = {word: kind.TOLD.title for word, kind in kinds.KINDS.items()}
    told = [(row, titles.get(row.kind, row.kind), uses.get(row.name, 0)) for row in rows]
    return show(request, "stores", {"stores": told, "kinds": [kind.TOLD for kind in kinds.KINDS.values()]})


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def add(request: HttpRequest) -> HttpResponse:
    """A new one of a kind."""
    word = request.POST.get("kind", "") or request.GET.get("kind", "vault")
    if word not in kinds.KINDS:
        raise Http404(f"No kind {word}.")
    if request.method != "POST":
        return _form(request, Plan(word))
    plan = _plan(request, word, None)
    try:
        saved = keeping.add(plan, by=_person(request))
    except (StoreWrong, StoreTaken) as error:
        return _form(request, plan, error=error)
    messages.success(request, f"{saved.name} is set up. Test it, then let values refer to it.")
    return redirect("change-store", saved.name)


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def change(request: HttpRequest, store: str) -> HttpResponse:
    """One store: how it is, what refers to it, and how it is asked."""
    found = _find(store)
    if found.kind not in kinds.KINDS:
        raise Http404(f"No kind {found.kind}.")
    if request.method != "POST":
        return _form(request, Plan(found.kind, found.name, found.settings), of=found)
    plan = _plan(request, found.kind, found)
    try:
        keeping.change(found, plan, by=_person(request))
    except StoreWrong as error:
        return _form(request, plan, of=found, error=error)
    messages.success(request, f"{found.name} is saved. The next deploy asks it so.")
    return redirect("change-store", found.name)


@require_POST
@needs(ADMINISTER)
def try_out(request: HttpRequest, store: str) -> HttpResponse:
    """Ask it now, and tell what it said besides values."""
    found, said = _find(store), request.POST
    try:
        tried = keeping.try_out(found, path=said.get("path", ""), key=said.get("key", ""), by=_person(request))
    except NotFetched as error:
        if error.reference:  # what is the matter with the store itself the page tells anyway
            messages.error(request, str(error))
    except (NotAllowed, CannotOpen) as error:
        messages.error(request, str(error))
    else:
        keys = f" It holds {', '.join(tried.keys[:20])}." if tried.keys else ""
        version = f" Version {tried.version}." if tried.version else ""
        messages.success(request, tried.words + keys + version)
    return redirect("change-store", found.name)


@require_POST
@needs(ADMINISTER)
def remove(request: HttpRequest, store: str) -> HttpResponse:
    """Not while a value refers to it."""
    found = _find(store)
    try:
        keeping.remove(found, by=_person(request))
    except (StoreError, NotAllowed) as error:
        messages.error(request, str(error))
        return redirect("change-store", found.name)
    messages.success(request, f"{store} is removed. What releases were given stays with them.")
    return redirect("settings-stores")


def _plan(request: HttpRequest, word: str, of: SecretStore | None) -> Plan:
    """What was typed; an empty field of the credential keeps the one that is stored."""
    said = request.POST
    fields = kinds.KINDS[word].TOLD.fields
    secret = said.get("secret", "")
    return Plan(
        kind=word,
        name=of.name if of else said.get("name", "").strip(),
        settings={field.name: said.get(field.name, "") for field in fields if field.shape != "secret"},
        secret=secret if secret or of is None else None,
    )


def _form(
    request: HttpRequest, plan: Plan, *, of: SecretStore | None = None, error: StoreError | None = None
) -> HttpResponse:
    told = kinds.KINDS[plan.kind].TOLD
    problems = error.problems if isinstance(error, StoreWrong) else {"": str(error)} if error else {}
    used = keeping.used_by(of) if of else []
    context: dict[str, Any] = {
        "plan": plan,
        "store": of,
        "kind": told,
        "fields": [(field, plan.settings.get(field.name, ""), problems.get(field.name, "")) for field in told.fields],
        "problems": problems,
        "used": used[:MOST_USES],
        "more": max(0, len(used) - MOST_USES),
    }
    return show(request, "store_form", context, status=422 if error else 200)
