"""Settings → Sign-in: who else says who people are, and whom passwords let in. Thin doors onto verbs."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from environments.access import ADMINISTER, NotAllowed, needs
from environments.clicks import act, who
from environments.models import GroupMapping, Identity, LetsIn, SignInProvider, Team
from environments.providers import flow, keeping, passwords, testing
from environments.providers.errors import ProviderError, ProviderTaken, ProviderWrong
from environments.providers.keeping import MAPPED_ROLES, Plan
from environments.sealed import CannotOpen
from environments.settings_pages import show

MOST_MAPPINGS = 200
MOST_GROUPS = 100
MOST_TEAMS = 500
_act = partial(act, refusals=(ProviderError, CannotOpen, NotAllowed))
_TEXTS = ("title", "issuer", "client_id", "scopes", "groups_claim", "lets_in", "domains", "second_factors")


def _find(name: str) -> SignInProvider:
    found = SignInProvider.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"No sign-in provider {name}.")
    return found


@require_safe
@needs(ADMINISTER)
def providers(request: HttpRequest) -> HttpResponse:
    """All of them, and whom passwords let in."""
    rows = SignInProvider.objects.annotate(
        people=Count("identities", distinct=True), groups=Count("mappings", distinct=True)
    )
    context = {"providers": rows, "for_all": passwords.are_said_for_all(), "effective": passwords.are_for_all()}
    return show(request, "providers", context)


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def add(request: HttpRequest) -> HttpResponse:
    """A new one."""
    if request.method != "POST":
        return _form(request, Plan())
    plan = _plan(request, None)
    try:
        saved = keeping.add(plan, by=who(request))
    except (ProviderWrong, ProviderTaken) as error:
        return _form(request, plan, error=error)
    messages.success(request, f"{saved.title} is set up. Tell it the address below, then test it.")
    return redirect("change-provider", saved.name)


@sensitive_post_parameters("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(ADMINISTER)
def change(request: HttpRequest, provider: str) -> HttpResponse:
    """One: how it is asked, and what its groups mean."""
    found = _find(provider)
    if request.method != "POST":
        return _form(request, keeping.plan_of(found), of=found)
    plan = _plan(request, found)
    try:
        keeping.change(found, plan, by=who(request))
    except ProviderWrong as error:
        return _form(request, plan, of=_find(provider), error=error)
    messages.success(request, f"{found.title} is saved. The next who signs in is asked so.")
    return redirect("change-provider", found.name)


@require_POST
@needs(ADMINISTER)
def try_out(request: HttpRequest, provider: str) -> HttpResponse:
    """Ask it now, and show each finding."""
    found = _find(provider)
    try:
        findings = testing.try_out(found, by=who(request))
    except (CannotOpen, NotAllowed) as error:
        messages.error(request, str(error))
        return redirect("change-provider", found.name)
    found = _find(provider)
    return _form(request, keeping.plan_of(found), of=found, findings=findings)


@require_POST
@needs(ADMINISTER)
def remove(request: HttpRequest, provider: str) -> HttpResponse:
    """With what its groups gave."""
    found = _find(provider)
    told = f"{found.title} is removed. Who came in by it stays, without what its groups gave."
    return _act(request, "settings-providers", lambda: keeping.remove(found, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def map_group(request: HttpRequest, provider: str) -> HttpResponse:
    """`means`: `team NAME` or `role ROLE`."""
    found, group = _find(provider), request.POST.get("group", "")
    kind, _, word = request.POST.get("means", "").partition(" ")

    def verb() -> str:
        team = Team.objects.filter(name=word).first() if kind == "team" else None
        role = word if kind == "role" else ""
        made = keeping.map_group(found, group, team=team, role=role, by=who(request))
        return f"{made.group} means {keeping.meaning_of(made)} from now on, also for who is here already."

    return _act(request, _page_of(found), verb)


@require_POST
@needs(ADMINISTER)
def unmap_group(request: HttpRequest, provider: str, mapping_id: int) -> HttpResponse:
    found = _find(provider)
    told = "The group means that no more, and what only it gave is taken."
    return _act(request, _page_of(found), lambda: keeping.unmap_group(found, mapping_id, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def set_passwords(request: HttpRequest) -> HttpResponse:
    """Whom passwords let in: `everyone` or `administrators`."""
    for_all = request.POST.get("whom") != "administrators"
    told = f"Passwords let {'everyone' if for_all else 'administrators alone'} in from now on. Open sessions go on."
    return _act(request, reverse("settings-providers"), lambda: passwords.set_for_all(for_all, by=who(request)), told)


@require_POST
@needs(ADMINISTER)
def unlink(request: HttpRequest, identity_id: int) -> HttpResponse:
    """Take a provider's account from a person."""
    found = Identity.objects.select_related("user", "provider").filter(pk=identity_id).first()
    if found is None:
        raise Http404("No such account.")
    told = f"The account at {found.provider.title} leads to {found.user.full_name} no more."
    page = reverse("settings-person", args=[found.user.username])
    return _act(request, page, lambda: keeping.unlink(found, by=who(request)), told)


def _page_of(provider: SignInProvider) -> str:
    return reverse("change-provider", args=[provider.name]) + "#groups"


def _plan(request: HttpRequest, of: SignInProvider | None) -> Plan:
    """What was typed; an empty field of the secret keeps the one that is stored."""
    said = request.POST
    secret = said.get("secret", "")
    return Plan(
        name=of.name if of else said.get("name", ""),
        enabled=said.get("enabled") == "yes" if of else True,
        secret=secret if secret or of is None else None,
        links_by_mail=said.get("links_by_mail") == "yes",
        authorities=said.get("authorities", ""),
        **{name: said.get(name, "") for name in _TEXTS},
    )


def _form(
    request: HttpRequest,
    plan: Plan,
    *,
    of: SignInProvider | None = None,
    error: ProviderError | None = None,
    findings: list[testing.Finding] | None = None,
) -> HttpResponse:
    problems = error.problems if isinstance(error, ProviderWrong) else {"": str(error)} if error else {}
    context: dict[str, Any] = {
        "plan": plan,
        "provider": of,
        "problems": problems,
        "findings": findings,
        "lets_in": LetsIn.choices,
        "callback": flow.address_of(of) if of else "",
    }
    return show(request, "provider", context | (_groups(of) if of else {}), status=422 if error else 200)


def _groups(of: SignInProvider) -> dict[str, Any]:
    """What its groups mean, and those that it has told of and that mean nothing yet."""
    rows = list(GroupMapping.objects.filter(provider=of).select_related("team")[: MOST_MAPPINGS + 1])
    told = Identity.objects.filter(provider=of).order_by("-used_at").values_list("groups", flat=True)[:MOST_GROUPS]
    mapped = {row.group for row in rows}
    return {
        "mappings": rows[:MOST_MAPPINGS],
        "more": len(rows) > MOST_MAPPINGS,
        "seen": sorted({group for groups in told for group in groups} - mapped)[:MOST_GROUPS],
        "people": Identity.objects.filter(provider=of).count(),
        "teams": Team.objects.values_list("name", flat=True)[:MOST_TEAMS],
        "roles": MAPPED_ROLES,
    }
